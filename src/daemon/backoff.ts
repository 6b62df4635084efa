// How long to wait before a dead server is replaced. Programs wait for the next one, so that one which did its work comes at once, however
// short it lived; one that never got to work would die again, and burn the machine.

/** Pauses, in ms, after servers that died in a row before they served every mount given to them. */
const UNSERVED_MS = [0, 50, 250, 1_000, 5_000];
/** So many servers that did serve are replaced at once; each second gives one back. */
const BURST = 60;
const REFILL_MS = 1_000;

export class Backoff {
  #unserved = 0;
  #credit = BURST;
  #last = 0;

  /**
   * @param now milliseconds of any clock that only goes forward.
   * @param served the server that died had taken over every mount.
   * @returns milliseconds to wait before the next one is started.
   */
  afterDeath(now: number, served: boolean): number {
    this.#credit = Math.min(BURST, this.#credit + (now - this.#last) / REFILL_MS);
    this.#last = now;
    if (!served) return UNSERVED_MS[Math.min(this.#unserved++, UNSERVED_MS.length - 1)] as number;
    this.#unserved = 0;
    this.#credit -= 1;
    return this.#credit >= 0 ? 0 : -this.#credit * REFILL_MS;
  }
}
