// When to look at a target again: soon after the first sign, later while a program goes on and on, and never in a busy loop.
import { monotonicMs } from "../sys/clock.ts";

/** A program that saves does several things at once; it is given this long to finish. */
const QUIET_MS = 40;
/** However long the signs go on, a look is due after this. */
const LONGEST_MS = 200;
const STORM_WINDOW_MS = 10_000;
const STORM_FROM = 8;
const STORM_MAX_MS = 2_000;
const RETRY_MAX_MS = 60_000;

export class Pace {
  #timer: NodeJS.Timeout | undefined;
  #first = 0;
  #recent: number[] = [];
  #failures = 0;
  readonly #due: () => void;

  constructor(due: () => void) {
    this.#due = due;
  }

  /** Something happened: a look is due when it has been quiet for a moment. */
  sign(): void {
    const now = monotonicMs();
    if (this.#timer === undefined) this.#first = now;
    const slow = this.#storm(now);
    this.#set(slow > 0 ? this.#first + slow : Math.min(now + QUIET_MS, this.#first + LONGEST_MS));
  }

  /** Look again after `ms`, unless a sign comes earlier. */
  after(ms: number): void {
    this.#first = monotonicMs();
    this.#set(this.#first + ms);
  }

  /** Look again, each time later. */
  failed(firstMs: number): void {
    this.after(Math.min(firstMs * 2 ** this.#failures, RETRY_MAX_MS));
    this.#failures += 1;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** A healing was done; many of them in a row make the next ones rarer. */
  healed(): void {
    this.#recent.push(monotonicMs());
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #storm(now: number): number {
    this.#recent = this.#recent.filter((time) => now - time < STORM_WINDOW_MS);
    const over = this.#recent.length - STORM_FROM;
    return over < 0 ? 0 : Math.min(LONGEST_MS * 2 ** over, STORM_MAX_MS);
  }

  #set(at: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#due();
      },
      Math.max(0, at - monotonicMs()),
    );
  }
}
