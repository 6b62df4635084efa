// An I/O lane: a thread for the calls of one storage that may sleep long. It answers the kernel by itself; the descriptors it was given
// are its own duplicates and closed when done. A lane that a dead storage holds for ever holds nobody but its own callers.
import { workerData } from "node:worker_threads";
import { nameThread } from "../engine/thread-name.ts";
import { hot } from "../sys/hot.ts";
import { fuse_out_header } from "./abi/structs.ts";
import { Memory, REPLY } from "./codec/memory.ts";
import { FAULTS } from "./faults.ts";
import { COUNTER, type LaneData, type LaneRequest } from "./messages.ts";
import { runJob } from "./passthrough/lane-job.ts";

const { name, port, inflight, slot } = workerData as LaneData;
const pending = new Int32Array(inflight);
const mem = new Memory();
nameThread(name);

port.on("message", (job: LaneRequest) => {
  const result = runJob(mem, job);
  const counters = new Float64Array(job.counters);
  if (job.kind === "read" && result > 0) counters[COUNTER.laneBytesRead]! += result;
  if (FAULTS.has(-result)) counters[COUNTER.laneErrors]! += 1;
  const length = fuse_out_header.SIZE + Math.max(0, result);
  mem.setWord(REPLY + fuse_out_header.len, length);
  mem.i32[(REPLY + fuse_out_header.error) >>> 2] = Math.min(0, result);
  mem.setWord(REPLY + fuse_out_header.unique, job.uniqueLo);
  mem.setWord(REPLY + fuse_out_header.unique + 4, job.uniqueHi);
  hot.write(job.device, mem.address + REPLY, length);
  hot.close(job.device);
  if (job.kind !== "close") hot.close(job.fd);
  if (job.to >= 0) hot.close(job.to);
  Atomics.sub(pending, slot, 1);
});
