// When a server is dead. Node tells when all of a process is gone; but a thread that waits in the kernel for a storage may outlive a SIGKILL
// until the storage answers. Such a process does nothing any more but finish the calls its threads are in.
import type { ChildProcess } from "node:child_process";
import { watchDeath } from "../sys/process-state.ts";

/** Threads end within milliseconds of their process, unless a storage holds them. */
const LINGER_MS = 1_000;

export class Death {
  /** Settles when it is dead. */
  readonly happened: Promise<void>;
  readonly #child: ChildProcess;
  #die: (how: string, left: boolean) => void = () => {};
  #unwatch = (): void => {};
  #timer: NodeJS.Timeout | undefined;

  /** Calls `onDeath` once, with how it died and whether threads of it are left. */
  constructor(child: ChildProcess, onDeath: (how: string, left: boolean) => void) {
    this.#child = child;
    this.happened = new Promise((resolve) => {
      this.#die = (how, left) => {
        this.#die = () => {};
        clearTimeout(this.#timer);
        this.#unwatch();
        onDeath(how, left);
        resolve();
      };
    });
    child.once("exit", (code, signal) => this.#die(signal ?? `exit code ${code}`, false));
  }

  /** From now on, that is once it runs. */
  watch(): void {
    this.#unwatch = watchDeath(this.#child.pid ?? 0, () => this.#linger());
  }

  kill(): void {
    this.#child.kill("SIGKILL");
    this.#linger();
  }

  #linger(): void {
    this.#timer ??= setTimeout(() => this.#die("killed, and a storage holds a thread of it", true), LINGER_MS);
  }
}
