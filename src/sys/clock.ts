// Elapsed time. CLOCK_MONOTONIC, the same in every thread and process: setting the machine's clock neither fires nor delays anything here.
// `Date.now` is for dates that people read.
import { hrtime } from "node:process";

const epochMs = Number(hrtime.bigint() / 1000n) / 1000 - performance.now();

/** Milliseconds since some moment that is the same for all threads and processes until the next boot. */
export const monotonicMs = (): number => epochMs + performance.now();

/** Returns what tells whether the machine's clock was set back since now by more than `slackMs`. */
export function watchClock(slackMs: number): () => boolean {
  const offset = Date.now() - monotonicMs();
  return () => Date.now() - monotonicMs() < offset - slackMs;
}
