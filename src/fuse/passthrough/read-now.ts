// preadv2(RWF_NOWAIT) tells a cached read, answered at once, from a cold one.
import { settled } from "../../sys/call.ts";
import { ERRNO } from "../../sys/errno.ts";
import { hot } from "../../sys/hot.ts";
import { IOVEC_AT } from "../codec/memory.ts";
import type { Passthrough } from "./passthrough.ts";

const { EOPNOTSUPP } = ERRNO;
const RWF_NOWAIT = 8;

/** Reads to `at` what memory holds: bytes, -EAGAIN where a disk would have to be waited for, -EOPNOTSUPP where that cannot be known. */
export function readNow(fs: Passthrough, fd: number, at: number, offset: number, size: number): number {
  const { mem } = fs;
  if (!fs.behaviour.sleeps) return settled(hot.pread(fd, mem.address + at, size, offset));
  if (!fs.nowait) return -EOPNOTSUPP;
  let done = 0;
  while (done < size) {
    mem.setLong(IOVEC_AT, mem.address + at + done);
    mem.setLong(IOVEC_AT + 8, size - done);
    const got = settled(hot.preadv2(fd, mem.address + IOVEC_AT, 1, offset + done, RWF_NOWAIT));
    if (got === 0) return done;
    if (got === -EOPNOTSUPP) fs.nowait = false;
    if (got < 0) return got;
    done += got;
  }
  return done;
}
