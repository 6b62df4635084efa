// An I/O lane: a thread for the calls of one storage that may sleep long. It answers the kernel by itself; the descriptor it was given
// is its own duplicate and closed when done. A lane that a dead storage holds for ever holds nobody but its own callers.
import { workerData } from "node:worker_threads";
import { raw, settled } from "../sys/call.ts";
import { hot } from "../sys/hot.ts";
import { libc } from "../sys/libc.ts";
import { mapAnonymous, viewMapping } from "../sys/memory.ts";
import { fuse_out_header } from "./abi/structs.ts";
import { MAX_IO } from "./codec/memory.ts";
import { COUNTER, type LaneData, type LaneRequest } from "./messages.ts";

const { port, inflight } = workerData as LaneData;
const pending = new Int32Array(inflight);
const mapping = mapAnonymous(MAX_IO + fuse_out_header.SIZE);
const view = new DataView(viewMapping(mapping, 0, fuse_out_header.SIZE));
const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function run(job: LaneRequest): number {
  switch (job.kind) {
    case "fsync":
    case "fdatasync":
    case "syncfs":
      return raw(libc[job.kind], job.fd);
    case "fallocate":
      return settled(hot.fallocate(job.fd, job.mode, job.offset, job.length));
    case "read":
      return settled(hot.pread(job.fd, mapping.address + fuse_out_header.SIZE, job.length, job.offset));
  }
}

port.on("message", (job: LaneRequest) => {
  const result = run(job);
  if (result > 0) new Float64Array(job.counters)[COUNTER.laneBytesRead]! += result;
  const length = fuse_out_header.SIZE + Math.max(0, result);
  view.setUint32(fuse_out_header.len, length, little);
  view.setInt32(fuse_out_header.error, Math.min(0, result), little);
  view.setUint32(fuse_out_header.unique, job.uniqueLo, little);
  view.setUint32(fuse_out_header.unique + 4, job.uniqueHi, little);
  hot.write(job.device, mapping.address, length);
  hot.close(job.fd);
  Atomics.sub(pending, 0, 1);
});
