// Waiting for a file system no longer than a deadline. Whoever looks at one that is stuck loses a thread of libuv's pool until it comes
// back, so each gets one thread and no more: looks through a gate are made one after the other, and none while one is late.

import { within } from "./within.ts";

/** Threads for looks, of which each file system may hold one for ever. libuv reads UV_THREADPOOL_SIZE when a process starts, and has 4 otherwise. */
export const LOOKERS = 32;

const DEADLINE_MS = 1_500;
let late = 0;

/** Whether a look that has outlived its deadline holds a thread: exit(3) would wait for it. */
export const isAnyLate = (): boolean => late > 0;

export class Gate {
  #before: Promise<unknown> = Promise.resolve();
  #stuck: boolean;
  readonly #answered: () => void;

  /**
   * @param options stuck: known to be; nothing is looked at then.
   *   answered: called when a look that was late came back, and looks are made again.
   */
  constructor({ stuck = false, answered = () => {} }: { readonly stuck?: boolean; readonly answered?: () => void } = {}) {
    this.#stuck = stuck;
    this.#answered = answered;
  }

  /** True while a look has outlived its deadline. */
  get stuck(): boolean {
    return this.#stuck;
  }

  /** Runs `work`; resolves to `otherwise` if it fails or does not come back in time. Never rejects. */
  async run<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    if (this.#stuck) return otherwise;
    let begun = false;
    let over = false;
    const running = this.#before.then(async () => {
      if (over) return otherwise;
      begun = true;
      return work().catch(() => otherwise);
    });
    this.#before = running;
    const done = await within(
      running.then((value) => ({ value })),
      DEADLINE_MS,
      undefined,
    );
    over = true;
    if (done !== undefined) return done.value;
    // One that waited for its turn is dropped; the one it waited for is late itself.
    if (begun) this.#comesLate(running);
    return otherwise;
  }

  #comesLate(running: Promise<unknown>): void {
    this.#stuck = true;
    late += 1;
    void running.finally(() => {
      this.#stuck = false;
      late -= 1;
      this.#answered();
    });
  }
}
