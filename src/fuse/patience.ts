// Whether looking for the next request is worth more than sleeping at once. It is while a caller on another CPU sends one request after
// the other; it is not where callers think in between or have to share our CPU, and then a spin only takes their time away.
const FULL = 16;
const COST = 2;
/** How often to try again where it did not work. */
const PROBE = 64;

export class Patience {
  readonly #enabled: boolean;
  #left = FULL / 2;
  #declined = 0;

  /** @param enabled false: never. */
  constructor(enabled: boolean) {
    this.#enabled = enabled;
  }

  spins(): boolean {
    if (!this.#enabled) return false;
    if (this.#left > 0) return true;
    this.#declined = (this.#declined + 1) % PROBE;
    if (this.#declined === 0) this.#left = 1;
    return false;
  }

  /** A request came within the time. */
  worked(): void {
    if (this.#left < FULL) this.#left += 1;
  }

  /** None did. */
  failed(): void {
    this.#left = Math.max(0, this.#left - COST);
  }
}
