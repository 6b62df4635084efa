// The calls that may sleep long, as data: an I/O lane runs them and replies by itself, or the serving thread does where the storage never
// sleeps or no descriptor is left for a lane.
import { raw, settled } from "../../sys/call.ts";
import { hot } from "../../sys/hot.ts";
import { libc } from "../../sys/libc.ts";
import * as s from "../abi/structs.ts";
import { OFFSETS_AT, OUT, type Memory } from "../codec/memory.ts";

/** `fd` (and `to`) are duplicates which the lane closes; with "close" that is all there is to do. */
export interface LaneJob {
  readonly kind: "close" | "fsync" | "fdatasync" | "syncfs" | "fallocate" | "read" | "copy_file_range" | "copy_file_range_64";
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
  /** Of fallocate(2). */
  readonly mode: number;
  /** Where copy_file_range(2) writes; -1 for all other calls. */
  readonly to: number;
  readonly toOffset: number;
}

/** Runs `job`: bytes of payload at OUT, or -errno. */
export function runJob(mem: Memory, job: LaneJob): number {
  switch (job.kind) {
    case "close":
      return settled(hot.close(job.fd));
    case "fsync":
    case "fdatasync":
    case "syncfs":
      return raw(libc[job.kind], job.fd);
    case "fallocate":
      return settled(hot.fallocate(job.fd, job.mode, job.offset, job.length));
    case "read":
      return settled(hot.pread(job.fd, mem.address + OUT, job.length, job.offset));
    case "copy_file_range":
    case "copy_file_range_64":
      return copy(mem, job);
  }
}

function copy(mem: Memory, { kind, fd, offset, length, to, toOffset }: LaneJob): number {
  mem.setLong(OFFSETS_AT, offset);
  mem.setLong(OFFSETS_AT + 8, toOffset);
  const result = settled(hot.copy_file_range(fd, mem.address + OFFSETS_AT, to, mem.address + OFFSETS_AT + 8, length, 0));
  if (result < 0) return result;
  if (kind === "copy_file_range") return answerSize(mem, result);
  mem.setLong(OUT, result);
  return s.fuse_copy_file_range_out.SIZE;
}

/** fuse_write_out at OUT. */
export function answerSize(mem: Memory, size: number): number {
  mem.setWord(OUT + s.fuse_write_out.size, size);
  mem.setWord(OUT + s.fuse_write_out.padding, 0);
  return s.fuse_write_out.SIZE;
}
