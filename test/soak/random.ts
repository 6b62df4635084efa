// Chance that can be had again: the same seed gives the same sequence (mulberry32).
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  weighted<T extends { readonly weight: number }>(items: readonly T[]): T {
    let at = this.next() * items.reduce((sum, item) => sum + item.weight, 0);
    return items.find((item) => (at -= item.weight) < 0) ?? (items[0] as T);
  }
}
