// One thread for what may get stuck together. Started at the first job, ended when idle; a job that outlives its deadline is given up
// on by its caller, and until it comes back every further one with a deadline fails at once, so nothing piles up behind a stuck storage.
import { Worker } from "node:worker_threads";
import { HmpersistError } from "../errors.ts";
import type { Job, Results } from "./jobs.ts";
import { within } from "../within.ts";

const IDLE_MS = 10_000;
const END_MS = 1_000;
// After the build this file and the thread's lie side by side.
const ENTRY = new URL("worker-thread.js", import.meta.url);

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout | undefined;
  readonly late: (result: never) => void;
}

export class Lane {
  readonly #name: string;
  readonly #heapMb: number | undefined;
  #worker: Worker | undefined;
  #next = 0;
  readonly #waiting = new Map<number, Waiting>();
  /** Jobs given up on that have not come back, and what is to be done with their results. */
  readonly #late = new Map<number, (result: never) => void>();
  #idle: NodeJS.Timeout | undefined;

  constructor(name: string, heapMb: number | undefined) {
    this.#name = name;
    this.#heapMb = heapMb;
  }

  get stuck(): boolean {
    return this.#late.size > 0;
  }

  /**
   * Runs one job; without a deadline it may take as long as it takes. Rejects with HMP_TIMEOUT when stuck.
   * @param late is given the result of a job that was given up on.
   */
  run<J extends Job>(job: J, deadlineMs?: number, late: (result: Results[J["type"]]) => void = () => {}): Promise<Results[J["type"]]> {
    if (this.stuck && deadlineMs !== undefined) return Promise.reject(this.#timeout());
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= this.#start());
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = deadlineMs === undefined ? undefined : setTimeout(() => this.#giveUp(id), deadlineMs);
      this.#waiting.set(id, { resolve, reject, timer, late });
      worker.ref();
      worker.postMessage({ id, job });
    });
  }

  /** Ends the thread; jobs under way fail. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#fail(worker, new Error("the link thread was ended"));
    // A thread in the kernel cannot be ended; it must not keep the process either.
    worker.unref();
    await within(worker.terminate(), END_MS, undefined);
  }

  #start(): Worker {
    const limits = this.#heapMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: this.#heapMb } };
    const worker = new Worker(ENTRY, limits);
    worker.on("message", (message: { id: number; result?: unknown; error?: string }) => this.#done(message));
    worker.on("error", (error) => this.#fail(worker, error));
    worker.on("exit", () => this.#fail(worker, new Error("the link thread ended")));
    return worker;
  }

  #done({ id, result, error }: { id: number; result?: unknown; error?: string }): void {
    const late = this.#late.get(id);
    this.#late.delete(id);
    if (error === undefined) late?.(result as never);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    if (error === undefined) waiting?.resolve(result as never);
    else waiting?.reject(new HmpersistError("HMP_INTERNAL", error));
    if (this.#waiting.size > 0 || this.stuck) return;
    this.#worker?.unref();
    this.#idle = setTimeout(() => void this.close(), IDLE_MS).unref();
  }

  #giveUp(id: number): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (waiting !== undefined) this.#late.set(id, waiting.late);
    if (this.#waiting.size === 0) this.#worker?.unref();
    waiting?.reject(this.#timeout());
  }

  #fail(worker: Worker, error: Error): void {
    // The end of a thread that was given up says nothing about its successor's jobs.
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#late.clear();
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new HmpersistError("HMP_INTERNAL", error.message, undefined, { cause: error }));
    }
    this.#waiting.clear();
  }

  #timeout(): HmpersistError {
    return new HmpersistError("HMP_TIMEOUT", `${this.#name} does not answer`, "check that the disk or network behind it works");
  }
}
