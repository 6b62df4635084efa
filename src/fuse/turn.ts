// While mounts are taken over, the threads of the process run requests one at a time. A predecessor died, perhaps of a request that now comes
// again; should this process die too, the one request that was being run a second time must be the one to blame, in whichever thread.

/** A thread that a storage has stopped is not waited for longer, and no more afterwards, at the risk of blaming the wrong request. */
const PATIENCE_MS = 1_000;
const NEVER_AGAIN = -1_000_000;

/** Int32 words: mounts being taken over; whether a request has its turn. */
const TAKEOVERS = 0;
const TAKEN = 1;

export class Turn {
  readonly #words: Int32Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.#words = new Int32Array(shared);
  }

  /** A mount is being taken over. */
  begin(): void {
    Atomics.add(this.#words, TAKEOVERS, 1);
  }

  /** All that was redelivered to it is answered. */
  end(): void {
    Atomics.sub(this.#words, TAKEOVERS, 1);
  }

  /** Before a request is run; true: `give` it back afterwards. */
  take(): boolean {
    while ((this.#words[TAKEOVERS] as number) > 0) {
      if (Atomics.compareExchange(this.#words, TAKEN, 0, 1) === 0) return true;
      if (Atomics.wait(this.#words, TAKEN, 1, PATIENCE_MS) === "timed-out") Atomics.store(this.#words, TAKEOVERS, NEVER_AGAIN);
    }
    return false;
  }

  give(): void {
    Atomics.store(this.#words, TAKEN, 0);
    Atomics.notify(this.#words, TAKEN, 1);
  }
}
