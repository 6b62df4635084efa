// Trying again what did not work, when something happened that may have mended it: together with what happens at the same moment, and not
// over and over because of a disk that is always slow.

const TOGETHER_MS = 100;
const PAUSE_MS = 5_000;

export class TryAgain {
  readonly #work: () => void;
  #timer: NodeJS.Timeout | undefined;
  #lastMs = -Infinity;

  constructor(work: () => void) {
    this.#work = work;
  }

  soon(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#now(), Math.max(TOGETHER_MS, this.#lastMs + PAUSE_MS - performance.now())).unref();
  }

  #now(): void {
    this.#timer = undefined;
    this.#lastMs = performance.now();
    this.#work();
  }
}
