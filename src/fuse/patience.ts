// Whether looking for the next request is worth more than sleeping at once, and for how long. It is while a caller on another CPU sends one
// request after the other; it is not where callers think in between or have to share our CPU, and then a spin only takes their time away.

/** Spins may fail FULL / COST times in a row before there are no more; one that works makes up for half of one that failed. */
const FULL = 16;
const COST = 2;
/** Where there are no more, one of so many is made all the same: callers change. */
const PROBE = 64;
/** A request that took this many times longer than usual will not come soon. */
const UNUSUAL = 4;
/** No spin is shorter, however quickly requests use to come. */
const LEAST_MS = 0.015;
/** Weight of one wait in the usual one. */
const WEIGHT = 1 / 8;

export class Patience {
  readonly #mostMs: number;
  #left = FULL / 2;
  #declined = 0;
  #usualMs: number;

  /** @param mostMs the longest spin; 0: never. */
  constructor(mostMs: number) {
    this.#mostMs = mostMs;
    this.#usualMs = mostMs;
  }

  spins(): boolean {
    if (this.#mostMs === 0) return false;
    if (this.#left > 0) return true;
    this.#declined = (this.#declined + 1) % PROBE;
    if (this.#declined === 0) this.#left = 1;
    return false;
  }

  /** How long a spin may last. */
  get limitMs(): number {
    return Math.min(this.#mostMs, Math.max(LEAST_MS, UNUSUAL * this.#usualMs));
  }

  /** A request came after this time. */
  worked(ms: number): void {
    if (this.#left < FULL) this.#left += 1;
    this.#usualMs += (ms - this.#usualMs) * WEIGHT;
  }

  /** None did; perhaps a little later one does. */
  failed(): void {
    this.#left = Math.max(0, this.#left - COST);
    this.#usualMs = Math.min(this.#mostMs, this.#usualMs * 2);
  }
}
