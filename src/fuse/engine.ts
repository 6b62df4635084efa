// The kernel engine as the server process sees it: one thread per persistentStoragePath, started with its first mount and ended with
// the engine. This side only starts threads, passes descriptors on and reads counters; it never waits for a storage.
import { availableParallelism } from "node:os";
import { readFileSync } from "node:fs";
import { MessageChannel, Worker } from "node:worker_threads";
import type { Engine, Heritage, ServedMount, ServeSpec, ServeStats } from "../engine/engine.ts";
import type { KeptFile } from "../engine/keeping.ts";
import { threadName } from "../engine/thread-name.ts";
import { monotonicMs } from "../sys/clock.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK } from "../sys/constants.ts";
import { call } from "../sys/call.ts";
import { close, dup } from "../sys/file.ts";
import { libc } from "../sys/libc.ts";
import { raiseNofile } from "../sys/rlimit.ts";
import type { Limits } from "./passthrough/passthrough.ts";
import { LANES } from "./passthrough/table-layout.ts";
import { COUNTER, COUNTERS, type FromThread, type LaneData, type ThreadData, type ToThread } from "./messages.ts";

export interface KernelEngineOptions {
  /** How long a thread looks for the next request before it sleeps; 0 where there is one CPU. HMPERSIST_SPIN_US overrides. */
  readonly spinUs?: number;
  /** FUSE_PASSTHROUGH where the process may (CAP_SYS_ADMIN) and the kernel offers it. HMPERSIST_PASSTHROUGH=0 overrides. */
  readonly passthrough?: boolean;
  /** The keeper should look at its socket. */
  readonly kept?: () => void;
}

const SPIN_US = 60;
const DIRECTORIES = 256;
/** Files each mount may keep open, as a share of the descriptors that are allowed; those without a name must leave room to work on the others. */
const FILES = { least: 64, most: 4096, share: 1 / 8 };
const PINS = 1 / 2;
const CAP_SYS_ADMIN = 21;
/** Descriptors kept back for the start of a lane: whoever syncs a file must not wait for another to be closed. */
const RESERVE = 12;
/** V8 would let these small, short-lived heaps grow to gigabytes before it collects. */
const LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4 };

interface Mount {
  readonly counters: Float64Array;
  features: readonly string[];
  root: string;
  readonly serving: (error?: Error) => void;
  readonly ended: (reason: string | undefined) => void;
  kept: readonly KeptFile[];
}

const limits = (nofile: number): Limits => ({
  directories: DIRECTORIES,
  files: Math.floor(Math.max(FILES.least, Math.min(FILES.most, nofile * FILES.share))),
  pins: Math.floor(nofile * PINS),
});

class ServingThread {
  readonly #worker: Worker;
  readonly #control = new MessageChannel();
  readonly #lanes = Array.from({ length: LANES }, () => new MessageChannel());
  readonly #laneWorkers: Worker[] = [];
  readonly #inflight = new SharedArrayBuffer(4 * LANES);
  readonly #wake = call("eventfd", undefined, libc.eventfd, 0, EFD_NONBLOCK | EFD_CLOEXEC);
  readonly #reserve = Array.from({ length: RESERVE * LANES }, () => dup(this.#wake));
  readonly #mounts = new Map<number, Mount>();
  #closing = false;
  readonly #kept: () => void;
  readonly #name: string;
  readonly exited: Promise<void>;

  constructor(name: string, spinUs: number, passthrough: boolean, turn: SharedArrayBuffer, kept: () => void) {
    this.#name = name;
    this.#kept = kept;
    const workerData: ThreadData = {
      name,
      control: this.#control.port2,
      wake: this.#wake,
      lanes: this.#lanes.map((lane) => lane.port1),
      inflight: this.#inflight,
      turn,
      spinUs,
      passthrough,
      warmUp: process.env["HMPERSIST_WARM_UP"] !== "0",
      limits: limits(raiseNofile()),
    };
    const transferList = [workerData.control, ...workerData.lanes];
    this.#worker = new Worker(new URL("thread.js", import.meta.url), { workerData, transferList, resourceLimits: LIMITS });
    this.#worker.on("message", (message: FromThread) => this.#hear(message));
    this.exited = new Promise((resolve) => {
      this.#worker.on("error", (error) => this.#fail("the serving thread", error));
      this.#worker.on("exit", (code) => {
        if (!this.#closing) this.#fail("the serving thread", new Error(`it ended with ${code}`));
        for (const mount of this.#mounts.values()) mount.ended(undefined);
        this.#mounts.clear();
        resolve();
      });
    });
  }

  // What a thread had read it will never answer, but a successor of this process will: whoever waits is helped by our end alone.
  #fail(who: string, error: Error): never {
    throw new Error(`${who} failed`, { cause: error });
  }

  #hear(message: FromThread): void {
    if (message.type === "lane") return this.#startLane(message.slot);
    if (message.type === "kept") return this.#kept();
    const mount = this.#mounts.get(message.id);
    if (mount === undefined) return;
    if (message.type === "serving") {
      mount.root = message.root;
      mount.serving();
    } else if (message.type === "negotiated") mount.features = message.features;
    else {
      this.#mounts.delete(message.id);
      if (message.type === "failed") mount.serving(new Error(message.reason));
      else {
        mount.kept = message.kept;
        mount.ended(message.reason);
      }
    }
  }

  // A lane is started by the first call it is needed for, 50 ms and some megabytes each; until it runs, its port keeps the jobs.
  #startLane(slot: number): void {
    for (const fd of this.#reserve.splice(0, RESERVE)) close(fd);
    const { port2: port } = this.#lanes[slot] as MessageChannel;
    const workerData: LaneData = { name: this.#name, port, inflight: this.#inflight, slot };
    const lane = new Worker(new URL("lane.js", import.meta.url), { workerData, transferList: [port], resourceLimits: LIMITS });
    lane.on("error", (error) => this.#fail("an I/O lane", error));
    lane.unref();
    this.#laneWorkers.push(lane);
  }

  post(message: ToThread): void {
    this.#control.port1.postMessage(message);
    const one = Buffer.alloc(8);
    one[0] = 1;
    call("write", "eventfd", libc.write, this.#wake, one, 8);
  }

  add(id: number, mount: Mount, message: Extract<ToThread, { type: "add" }>): void {
    this.#mounts.set(id, mount);
    this.post(message);
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.post({ type: "close" });
    await this.exited;
    for (const lane of this.#laneWorkers) void lane.terminate();
    this.#control.port1.close();
    for (const lane of this.#lanes) lane.port2.close();
    for (const fd of [...this.#reserve, this.#wake]) close(fd);
  }
}

/** Whether this process has CAP_SYS_ADMIN, which FUSE_DEV_IOC_BACKING_OPEN asks for. */
function mayPassthrough(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0";
  return ((BigInt(`0x${effective}`) >> BigInt(CAP_SYS_ADMIN)) & 1n) === 1n;
}

function spinTime(options: KernelEngineOptions): number {
  const wished = process.env["HMPERSIST_SPIN_US"];
  if (wished !== undefined && /^\d+$/.test(wished)) return Math.min(Number(wished), 10_000);
  return availableParallelism() > 1 ? (options.spinUs ?? SPIN_US) : 0;
}

/** The engine that speaks the kernel's own protocol over /dev/fuse. */
export function createKernelEngine(options: KernelEngineOptions = {}): Engine {
  const threads = new Map<string, ServingThread>();
  const passthrough = (options.passthrough ?? true) && process.env["HMPERSIST_PASSTHROUGH"] !== "0" && mayPassthrough();
  const turn = new SharedArrayBuffer(8);
  let lastId = 0;

  const threadOf = (storage: string): ServingThread => {
    let thread = threads.get(storage);
    if (thread === undefined) {
      thread = new ServingThread(threadName(storage), spinTime(options), passthrough, turn, options.kept ?? (() => {}));
      threads.set(storage, thread);
      void thread.exited.then(() => threads.delete(storage));
    }
    return thread;
  };

  return {
    name: "kernel",
    warm: (storages) => storages.forEach((storage) => threadOf(storage)),
    async serve(spec: ServeSpec, device: number | undefined, heritage?: Heritage): Promise<ServedMount> {
      if (device === undefined) throw new Error("the kernel engine serves a mount that exists already: a /dev/fuse descriptor is needed");
      const thread = threadOf(spec.storage);
      const id = (lastId += 1);
      const counters = new SharedArrayBuffer(COUNTERS * 8);
      let mount: Mount | undefined;
      let end: (reason: string | undefined) => void = () => {};
      const ended = new Promise<string | undefined>((resolve) => (end = resolve));
      await new Promise<void>((resolve, reject) => {
        const serving = (error?: Error): void => (error === undefined ? resolve() : reject(error));
        mount = { counters: new Float64Array(counters), features: [], kept: [], root: "", serving, ended: end };
        thread.add(id, mount, { type: "add", id, spec, device, heritage, counters });
      });
      return {
        root: (mount as Mount | undefined)?.root ?? "",
        ended,
        stats: () => statsOf(mount as Mount),
        stop: async () => {
          thread.post({ type: "remove", id });
          await ended;
          return mount?.kept ?? [];
        },
      };
    },
    async close() {
      await Promise.all([...threads.values()].map((thread) => thread.close()));
    },
  };
}

function statsOf({ counters, features }: Mount): ServeStats {
  const at = (slot: number): number => counters[slot] as number;
  const since = at(COUNTER.busySince);
  return {
    requests: at(COUNTER.requests),
    errors: at(COUNTER.errors) + at(COUNTER.laneErrors),
    bytesRead: at(COUNTER.bytesRead) + at(COUNTER.laneBytesRead),
    bytesWritten: at(COUNTER.bytesWritten),
    cacheHits: at(COUNTER.cacheHits),
    nodes: at(COUNTER.nodes),
    handles: at(COUNTER.handles),
    busyMs: since === 0 ? 0 : Math.round(Math.max(0, monotonicMs() - since)),
    features,
  };
}
