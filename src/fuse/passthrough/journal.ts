// What a successor must know of the requests in flight when its predecessor died: words of the shared header, written before anything is
// done and read once, when a mount is taken over. There is one serving thread, so one request is being run and one change is noted.
import { FUSE_UNIQUE_RESEND_HI } from "../abi/constants.ts";
import { HEADER, KILLERS, LANE_JOBS, LANES } from "./table-layout.ts";

/** How far the noted change got. */
export const CHANGE = { none: 0, begun: 1, done: 2 } as const;

/** A request's `unique`, as two words. */
export type Unique = readonly [lo: number, hi: number];

/** The kernel counts by two, what needs no answer (FORGET) included. */
const STEP = 2;
const GUESSES = 4096;

export class Journal {
  readonly #h: Uint32Array;
  /** Read by the predecessor and, as far as is known, not answered. */
  readonly unanswered: readonly Unique[];

  constructor(header: Uint32Array, resumed: boolean) {
    this.#h = header;
    this.unanswered = resumed ? this.#read() : [];
  }

  /** One of these may have been read last, by a predecessor that died before it was noted; the others are nobody's yet. */
  get perhapsRead(): Unique[] {
    const last = (this.#h[HEADER.last0] as number) + ((this.#h[HEADER.last0 + 1] as number) % FUSE_UNIQUE_RESEND_HI) * 0x100000000;
    return Array.from({ length: GUESSES }, (_, i) => {
      const unique = last + (i + 1) * STEP;
      return [unique >>> 0, Math.floor(unique / 0x100000000)];
    });
  }

  #read(): Unique[] {
    const at = (word: number): Unique => [this.#h[word] as number, this.#h[word + 1] as number];
    const run = at(HEADER.current0);
    // Run a second time, and the server is dead again.
    if (run[1] >= FUSE_UNIQUE_RESEND_HI) this.#put(HEADER.killersNext, HEADER.killers0, KILLERS, ...run);
    this.end();
    const jobs = Array.from({ length: LANES * LANE_JOBS }, (_, i) => at(HEADER.jobs0 + 2 * i));
    this.#h.fill(0, HEADER.jobs0, HEADER.jobs0 + 2 * LANES * LANE_JOBS);
    return [run, ...jobs].filter(([lo, hi]) => lo !== 0 || hi !== 0);
  }

  /** Into a ring of `size` uniques, over the oldest. */
  #put(next: number, first: number, size: number, lo: number, hi: number): void {
    const slot = (this.#h[next] as number) % size;
    this.#h[first + 2 * slot] = lo;
    this.#h[first + 2 * slot + 1] = hi;
    this.#h[next] = (slot + 1) % size;
  }

  /** A request is being run. Those that have an answer are counted by the kernel in the order they are read in. */
  begin(lo: number, hi: number, answered = true): void {
    this.#h[HEADER.current0] = lo;
    this.#h[HEADER.current0 + 1] = hi;
    if (!answered) return;
    this.#h[HEADER.last0] = lo;
    this.#h[HEADER.last0 + 1] = hi;
  }

  /** It is answered, or a lane's by now. */
  end(): void {
    this.#h[HEADER.current0] = 0;
    this.#h[HEADER.current0 + 1] = 0;
  }

  /**
   * `lane` answers it. Lanes answer in order, so the last LANE_JOBS are all that one may have; whether or not they are answered yet, for nobody
   * waits for an answer twice.
   */
  deferred(lane: number, lo: number, hi: number): void {
    this.#put(HEADER.jobsNext0 + lane, HEADER.jobs0 + 2 * lane * LANE_JOBS, LANE_JOBS, lo, hi);
  }

  /** Whether a redelivered request may be run: not if a predecessor died while it ran it the second time. */
  admits(lo: number, hi: number): boolean {
    for (let at = HEADER.killers0; at < HEADER.killers0 + 2 * KILLERS; at += 2) {
      if (this.#h[at] !== lo || this.#h[at + 1] !== hi) continue;
      this.#h[at] = this.#h[at + 1] = 0;
      return false;
    }
    return true;
  }

  /** Notes that a change begins. Its state comes last, for the server may be killed between any two words. */
  beginChange(lo: number, hi: number, place = 0): void {
    this.#h[HEADER.changeState] = CHANGE.none;
    this.#h[HEADER.change0] = lo;
    this.#h[HEADER.change0 + 1] = hi % FUSE_UNIQUE_RESEND_HI;
    this.place = place;
  }

  endChange(result: number): void {
    this.#h[HEADER.changeResult] = result;
    this.#h[HEADER.changeState] = CHANGE.done;
  }

  /** How far a predecessor got with this redelivered request. */
  changeState(lo: number, hi: number): number {
    const noted = this.#h[HEADER.change0] === lo && this.#h[HEADER.change0 + 1] === hi % FUSE_UNIQUE_RESEND_HI;
    return noted ? (this.#h[HEADER.changeState] as number) : CHANGE.none;
  }

  /** The result of the noted change: 0 or more, or -errno. */
  get changeResult(): number {
    return (this.#h[HEADER.changeResult] as number) | 0;
  }

  /** By what the noted change can be told done from not done: where it appends, or which file it moves; 0 when not noted. Below 2^53. */
  get place(): number {
    return (this.#h[HEADER.place0] as number) + (this.#h[HEADER.place0 + 1] as number) * 0x100000000;
  }

  set place(value: number) {
    this.#h[HEADER.changeState] = CHANGE.none;
    this.#h[HEADER.place0] = value >>> 0;
    this.#h[HEADER.place0 + 1] = Math.floor(value / 0x100000000);
    this.#h[HEADER.changeState] = CHANGE.begun;
  }
}
