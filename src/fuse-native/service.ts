// Between libfuse's requests and the operations: counts, traces, and turns a handler's exception into EIO for that request alone.
import type { ServeSpec, ServeStats } from "../engine/engine.ts";
import { ERRNO, errnoName } from "../sys/errno.ts";
import { printable, printableLines } from "../sys/text.ts";
import type { FuseNative, NativeHandler, Request } from "./binding.ts";
import { EMPTY, operations, type Counters, type Done } from "./operations.ts";

export class Service {
  readonly started: Promise<void>;
  readonly #native: FuseNative;
  readonly #spec: ServeSpec;
  readonly #source: string;
  readonly #counters: Counters = { handles: 0, bytesRead: 0, bytesWritten: 0 };
  /** When each request that is being answered began. */
  readonly #inFlight = new Map<number, number>();
  #waiting: (() => void)[] = [];
  #requests = 0;
  #errors = 0;
  #onStart: () => void = () => {};

  /** @param source a path to the directory that is served */
  constructor(native: FuseNative, spec: ServeSpec, source: string) {
    this.#source = source;
    this.#native = native;
    this.#spec = spec;
    this.started = new Promise((resolve) => {
      this.#onStart = resolve;
    });
  }

  handlers(): Map<string, NativeHandler> {
    const handlers = new Map<string, NativeHandler>();
    const init = this.#native.signal("init");
    handlers.set("init", (request) => {
      init(request, 0);
      this.#onStart();
    });
    for (const [name, handler] of operations({ source: this.#source, counters: this.#counters })) {
      const signal = this.#native.signal(name);
      const empty = EMPTY[name] ?? (() => []);
      handlers.set(name, (request: Request, _op: number, ...args: unknown[]) => {
        const done = this.#begin(name, args, (result, values) => signal(request, result, ...(values.length > 0 ? values : empty(args))));
        try {
          handler(done, request, ...(args as never[]));
        } catch (error) {
          process.stderr.write(
            `fuse-native: ${name} failed: ${printableLines(error instanceof Error ? (error.stack ?? "") : String(error))}\n`,
          );
          done(-ERRNO.EIO);
        }
      });
    }
    return handlers;
  }

  stats(): ServeStats {
    const oldest = this.#inFlight.values().next().value;
    return {
      requests: this.#requests,
      errors: this.#errors,
      bytesRead: this.#counters.bytesRead,
      bytesWritten: this.#counters.bytesWritten,
      nodes: 0,
      handles: this.#counters.handles,
      busyMs: oldest === undefined ? 0 : Math.round(performance.now() - oldest),
      features: [],
    };
  }

  /** Resolves when nothing is being answered. */
  async idle(): Promise<void> {
    if (this.#inFlight.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #begin(name: string, args: readonly unknown[], answer: (result: number, values: unknown[]) => void): Done {
    const id = (this.#requests += 1);
    this.#inFlight.set(id, performance.now());
    if (this.#spec.trace) trace(`rx ${id} ${name} ${args.map(shown).join(" ")}`);
    return (result, ...values) => {
      // An answer twice would belong to whatever request came next.
      if (!this.#inFlight.delete(id)) return;
      if (result < 0) this.#errors += 1;
      if (this.#spec.trace) trace(`tx ${id} ${name} ${result < 0 ? errnoName(-result) : result}`);
      answer(result, values);
      if (this.#inFlight.size > 0) return;
      for (const resolve of this.#waiting) resolve();
      this.#waiting = [];
    };
  }
}

const shown = (arg: unknown): string =>
  Buffer.isBuffer(arg) ? `<${arg.length} bytes>` : typeof arg === "string" ? JSON.stringify(arg) : String(arg);

const trace = (line: string): unknown => process.stderr.write(`${printable(line)}\n`);
