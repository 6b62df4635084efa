// Reading, writing and the other calls on one open file. What may sleep long on a disk goes to an I/O lane with a duplicate of the
// descriptor; preadv2(RWF_NOWAIT) tells a cached read, answered here, from a cold one.
import { F_DUPFD_CLOEXEC, O_CLOEXEC, O_DIRECTORY, O_RDONLY } from "../../sys/constants.ts";
import { raw, settled } from "../../sys/call.ts";
import { ERRNO } from "../../sys/errno.ts";
import { hot } from "../../sys/hot.ts";
import { libc } from "../../sys/libc.ts";
import * as abi from "../abi/constants.ts";
import * as s from "../abi/structs.ts";
import { IN, IOVEC_AT, MAX_IO, OFFSETS_AT, OUT } from "../codec/memory.ts";
import { DEFERRED, type LaneJob, type Passthrough } from "./passthrough.ts";

const { EAGAIN, EFBIG, EINVAL, EIO, ENOSYS, EOPNOTSUPP } = ERRNO;
const RWF_NOWAIT = 8;

/** Hands a call on `fd` to a lane. */
function defer(fs: Passthrough, kind: LaneJob["kind"], fd: number, offset = 0, length = 0, mode = 0): number {
  const copy = raw(libc.fcntl, fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return copy;
  fs.services.defer({ kind, fd: copy, offset, length, mode });
  return DEFERRED;
}

export function read(fs: Passthrough): number {
  const { mem } = fs;
  const fd = fs.handleFd(mem.long(IN + s.fuse_read_in.fh));
  if (fd < 0) return fd;
  const offset = mem.long(IN + s.fuse_read_in.offset);
  const size = Math.min(mem.word(IN + s.fuse_read_in.size), MAX_IO);
  if (!Number.isSafeInteger(offset)) return -EINVAL;
  const cached = !fs.behaviour.sleeps || fs.nowait;
  const result =
    fs.behaviour.sleeps && fs.nowait ? readCached(fs, fd, offset, size) : settled(hot.pread(fd, mem.address + OUT, size, offset));
  if (result > 0) fs.bytesRead += result;
  if (cached && result >= 0) fs.cacheHits += 1;
  return result;
}

function readCached(fs: Passthrough, fd: number, offset: number, size: number): number {
  const { mem } = fs;
  let done = 0;
  while (done < size) {
    mem.setLong(IOVEC_AT, mem.address + OUT + done);
    mem.setLong(IOVEC_AT + 8, size - done);
    const got = settled(hot.preadv2(fd, mem.address + IOVEC_AT, 1, offset + done, RWF_NOWAIT));
    if (got === 0) return done;
    if (got === -EAGAIN) return defer(fs, "read", fd, offset, size);
    if (got === -EOPNOTSUPP) {
      fs.nowait = false;
      return settled(hot.pread(fd, mem.address + OUT, size, offset));
    }
    if (got < 0) return got;
    done += got;
  }
  return done;
}

export function write(fs: Passthrough): number {
  const { mem, req, creds } = fs;
  const fd = fs.handleFd(mem.long(IN + s.fuse_write_in.fh));
  if (fd < 0) return fd;
  const offset = mem.long(IN + s.fuse_write_in.offset);
  const size = mem.word(IN + s.fuse_write_in.size);
  if (!Number.isSafeInteger(offset)) return -EFBIG;
  if (size > req.end - req.payload) return -EIO;
  const kill = (mem.word(IN + s.fuse_write_in.write_flags) & abi.FUSE_WRITE_KILL_SUIDGID) !== 0;
  if (kill) creds.become(req);
  const result = settled(hot.pwrite(fd, mem.address + req.payload, size, offset));
  if (kill) creds.restore();
  if (result < 0) return result;
  fs.bytesWritten += result;
  return answerSize(fs, result);
}

function answerSize(fs: Passthrough, size: number): number {
  fs.mem.setWord(OUT + s.fuse_write_out.size, size);
  fs.mem.setWord(OUT + s.fuse_write_out.padding, 0);
  return s.fuse_write_out.SIZE;
}

/** close(2) of a local file reports nothing, and the kernel writes dirty pages back before it asks: ENOSYS ends the asking. */
export function flush(fs: Passthrough): number {
  if (!fs.behaviour.closeReports) return -ENOSYS;
  const fd = fs.handleFd(fs.mem.long(IN + s.fuse_flush_in.fh));
  if (fd < 0) return fd;
  const copy = raw(libc.dup, fd);
  return copy < 0 ? copy : settled(hot.close(copy));
}

export function fsync(fs: Passthrough): number {
  const fd = fs.handleFd(fs.mem.long(IN + s.fuse_fsync_in.fh));
  if (fd < 0) return fd;
  const kind = (fs.mem.word(IN + s.fuse_fsync_in.fsync_flags) & abi.FUSE_FSYNC_FDATASYNC) !== 0 ? "fdatasync" : "fsync";
  return fs.behaviour.sleeps ? defer(fs, kind, fd) : raw(libc[kind], fd);
}

export function syncfs(fs: Passthrough): number {
  if (!fs.behaviour.sleeps) return 0;
  const fd = fs.openNode(abi.FUSE_ROOT_ID, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fd;
  fs.services.defer({ kind: "syncfs", fd, offset: 0, length: 0, mode: 0 });
  return DEFERRED;
}

export function fallocate(fs: Passthrough): number {
  const { mem } = fs;
  const fd = fs.handleFd(mem.long(IN + s.fuse_fallocate_in.fh));
  if (fd < 0) return fd;
  const offset = mem.long(IN + s.fuse_fallocate_in.offset);
  const length = mem.long(IN + s.fuse_fallocate_in.length);
  const mode = mem.word(IN + s.fuse_fallocate_in.mode);
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length)) return -EFBIG;
  return fs.behaviour.sleeps ? defer(fs, "fallocate", fd, offset, length, mode) : settled(hot.fallocate(fd, mode, offset, length));
}

/** Holes: with the writeback cache the storage does not know the newest data yet, so the kernel must answer by itself. */
export function lseek(fs: Passthrough): number {
  const { mem } = fs;
  if (fs.behaviour.writeback) return -ENOSYS;
  const fd = fs.handleFd(mem.long(IN + s.fuse_lseek_in.fh));
  if (fd < 0) return fd;
  const offset = mem.long(IN + s.fuse_lseek_in.offset);
  if (!Number.isSafeInteger(offset)) return -EINVAL;
  const result = settled(Number(hot.lseek(fd, offset, mem.word(IN + s.fuse_lseek_in.whence))));
  if (result < 0) return result;
  mem.setLong(OUT, result);
  return s.fuse_lseek_out.SIZE;
}

function copy(fs: Passthrough): number {
  const { mem } = fs;
  const from = fs.handleFd(mem.long(IN + s.fuse_copy_file_range_in.fh_in));
  const to = fs.handleFd(mem.long(IN + s.fuse_copy_file_range_in.fh_out));
  if (from < 0 || to < 0) return Math.min(from, to);
  mem.copyLong(OFFSETS_AT, IN + s.fuse_copy_file_range_in.off_in);
  mem.copyLong(OFFSETS_AT + 8, IN + s.fuse_copy_file_range_in.off_out);
  // Bounded, so that one copy does not hold the other callers up; a short answer is continued by the caller.
  const length = Math.min(mem.long(IN + s.fuse_copy_file_range_in.len), 64 * MAX_IO);
  return settled(hot.copy_file_range(from, mem.address + OFFSETS_AT, to, mem.address + OFFSETS_AT + 8, length, 0));
}

export function copyFileRange(fs: Passthrough): number {
  const result = copy(fs);
  return result < 0 ? result : answerSize(fs, result);
}

export function copyFileRange64(fs: Passthrough): number {
  const result = copy(fs);
  if (result < 0) return result;
  fs.mem.setLong(OUT, result);
  return s.fuse_copy_file_range_out.SIZE;
}
