// The choice of a lane while lanes finish jobs.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { leastBusy } from "../../../src/fuse/least-busy.ts";

const LANES = `
const { parentPort, workerData: jobs } = require("node:worker_threads");
parentPort.postMessage("begun");
for (let i = 0; ; i += 1) Atomics.store(jobs, i % jobs.length, i % 7);
`;

test("the lane with the fewest jobs", () => {
  expect([leastBusy(Int32Array.of(2, 1)), leastBusy(Int32Array.of(0, 0)), leastBusy(Int32Array.of(3, 5, 4))]).toEqual([1, 0, 0]);
});

test("there is always one, whatever the lanes finish meanwhile", { timeout: 60_000 }, async () => {
  const jobs = new Int32Array(new SharedArrayBuffer(8));
  const lanes = new Worker(LANES, { eval: true, workerData: jobs });
  try {
    await once(lanes, "message");
    for (const end = performance.now() + 1_000; performance.now() < end;) expect([0, 1]).toContain(leastBusy(jobs));
  } finally {
    await lanes.terminate();
  }
});
