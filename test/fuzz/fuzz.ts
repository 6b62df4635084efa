// Random input for as long as there is time: a few seconds for each property in continuous integration, HMPERSIST_FUZZ_SECONDS where it
// is set. `npm run fuzz -- --minutes N` shares N minutes among all.
import fc from "fast-check";

export const SECONDS = Number(process.env["HMPERSIST_FUZZ_SECONDS"] ?? 2);
/** For a test that ends by itself after SECONDS, with patience for a busy machine. */
export const TIMEOUT_MS = SECONDS * 1000 + 60_000;

const LIMITS = { numRuns: 2 ** 31 - 1, interruptAfterTimeLimit: SECONDS * 1000, markInterruptAsFailure: false } as const;

/** Tries `property` until the time is over; a counterexample is thrown, shrunk, with its seed. */
export async function fuzz<T>(property: fc.IRawProperty<T>): Promise<void> {
  const details = await fc.check(property, LIMITS);
  console.log(`${details.numRuns} runs in ${SECONDS} s`);
  if (details.failed) throw new Error(fc.defaultReportMessage(details) ?? "failed", { cause: details.errorInstance });
}
