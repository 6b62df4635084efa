// Which I/O lane has the least to do.

/** The index of the smallest of `jobs`, which the lanes count down meanwhile: each is read once. */
export function leastBusy(jobs: Int32Array): number {
  const seen = [...jobs];
  return seen.indexOf(Math.min(...seen));
}
