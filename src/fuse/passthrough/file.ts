// Reading, writing and the other calls on one open file. What may sleep long on a disk goes to an I/O lane with a duplicate of the
// descriptor.
import { AT_FDCWD, F_SETFL, O_APPEND, O_CLOEXEC, O_DIRECTORY, O_NONBLOCK, O_RDONLY, SEEK_DATA, SEEK_END } from "../../sys/constants.ts";
import { raw, settled } from "../../sys/call.ts";
import { ERRNO } from "../../sys/errno.ts";
import { hot } from "../../sys/hot.ts";
import { libc } from "../../sys/libc.ts";
import { STATX } from "../../sys/stat.ts";
import * as abi from "../abi/constants.ts";
import * as s from "../abi/structs.ts";
import { IN, MAX_IO, OUT, REQUEST, STATX_AT } from "../codec/memory.ts";
import { BACKING_CACHED } from "./inode-table.ts";
import { CHANGE } from "./journal.ts";
import { answerSize, runJob, type LaneJob } from "./lane-job.ts";
import { DEFERRED, type Passthrough } from "./passthrough.ts";
import { readNow } from "./read-now.ts";

const { EACCES, EAGAIN, EFBIG, EINVAL, EIO, ENOSYS, ENXIO, EOPNOTSUPP } = ERRNO;
/** A copy this small takes no longer than to hand it to a lane. */
const QUICK_COPY = 64 * 1024;

/** Hands a call to a lane if the storage may sleep, with duplicates of its descriptors; where there are none left it is done here. */
function perform(fs: Passthrough, job: LaneJob): number {
  if (!fs.behaviour.sleeps) return runJob(fs.mem, job);
  const fd = fs.duplicate(job.fd);
  const to = fd < 0 || job.to < 0 ? -1 : fs.duplicate(job.to);
  if (fd >= 0 && (job.to < 0 || to >= 0) && fs.services.defer({ ...job, fd, to })) return DEFERRED;
  for (const copy of [fd, to]) if (copy >= 0) hot.close(copy);
  return runJob(fs.mem, job);
}

/** The same for a descriptor that is the job's own. */
function performOnOwn(fs: Passthrough, job: LaneJob): number {
  if (fs.services.defer(job)) return DEFERRED;
  const result = runJob(fs.mem, job);
  if (job.kind !== "close") hot.close(job.fd);
  return result;
}

const jobOn = (kind: LaneJob["kind"], fd: number, offset = 0, length = 0, mode = 0): LaneJob => ({
  kind,
  fd,
  offset,
  length,
  mode,
  to: -1,
  toOffset: 0,
});

export function read(fs: Passthrough): number {
  const { mem } = fs;
  const fd = fs.openFd(fs.req.nodeid, mem.long(IN + s.fuse_read_in.fh), false);
  if (fd < 0) return fd;
  const offset = mem.long(IN + s.fuse_read_in.offset);
  const size = Math.min(mem.word(IN + s.fuse_read_in.size), MAX_IO);
  if (!Number.isSafeInteger(offset)) return -EINVAL;
  const result = readNow(fs, fd, OUT, offset, size);
  if (result === -EAGAIN) return perform(fs, jobOn("read", fd, offset, size));
  const read = result === -EOPNOTSUPP ? settled(hot.pread(fd, mem.address + OUT, size, offset)) : result;
  if (read > 0) fs.bytesRead += read;
  if (result >= 0) fs.cacheHits += 1;
  return read;
}

// Pages that the kernel writes back: it looks at the errno only, and what a short answer leaves out would be lost without a word.
function writeAll(fd: number, address: number, size: number, offset: number): number {
  let done = 0;
  while (done < size) {
    const result = settled(hot.pwrite(fd, address + done, size - done, offset + done));
    if (result <= 0) return result === 0 ? -EIO : result;
    done += result;
  }
  return done;
}

export function write(fs: Passthrough): number {
  const { mem, req, creds } = fs;
  const fh = mem.long(IN + s.fuse_write_in.fh);
  const fd = fs.openFd(req.nodeid, fh, true);
  if (fd < 0) return fd;
  const offset = mem.long(IN + s.fuse_write_in.offset);
  const size = mem.word(IN + s.fuse_write_in.size);
  if (!Number.isSafeInteger(offset)) return -EFBIG;
  if (size > req.end - req.payload) return -EIO;
  if (!fs.behaviour.writeback && ((fs.handles.flags(fh) ^ mem.word(IN + s.fuse_write_in.flags)) & O_APPEND) !== 0) followAppend(fs, fh, fd);
  const kill = (mem.word(IN + s.fuse_write_in.write_flags) & abi.FUSE_WRITE_KILL_SUIDGID) !== 0;
  const done = (fs.handles.flags(fh) & O_APPEND) === 0 ? 0 : appendedBefore(fs, fd, size);
  if (kill) creds.become(req);
  const [at, left] = [mem.address + req.payload + done, size - done];
  const cached = (mem.word(IN + s.fuse_write_in.write_flags) & abi.FUSE_WRITE_CACHE) !== 0;
  const rest = left <= 0 ? 0 : cached ? writeAll(fd, at, left, offset) : settled(hot.pwrite(fd, at, left, offset));
  if (kill) creds.restore();
  const result = rest < 0 && done > 0 ? done : rest + done;
  if (result < 0) return result;
  fs.bytesWritten += result;
  return answerSize(mem, result);
}

// A write on a descriptor with O_APPEND ignores its offset. The caller may have changed the flag (fcntl F_SETFL), and pages of a shared
// mapping are written back through any handle that is open for writing, at their place.
function followAppend(fs: Passthrough, fh: number, fd: number): void {
  const flags = fs.handles.flags(fh) ^ O_APPEND;
  if (raw(libc.fcntl, fd, F_SETFL, flags) === 0) fs.handles.setFlags(fh, flags);
}

/** Any descriptor of the open file: one to write by where it may not be read. */
function someFd(fs: Passthrough, fh: number): number {
  const fd = fs.openFd(fs.req.nodeid, fh, false);
  return fd === -EACCES ? fs.openFd(fs.req.nodeid, fh, true) : fd;
}

/**
 * The storage appends wherever its end is (pwrite(2)), so the same request a second time would append again. The end is noted before, and
 * what stands there is looked at when the request comes again: how many bytes of it a predecessor has written.
 */
function appendedBefore(fs: Passthrough, fd: number, size: number): number {
  const { journal, mem, req } = fs;
  const lo = mem.word(REQUEST + s.fuse_in_header.unique);
  const hi = mem.word(REQUEST + s.fuse_in_header.unique + 4);
  const end = settled(Number(hot.lseek(fd, 0, SEEK_END)));
  if (journal.changeState(lo, hi) === CHANGE.none) {
    journal.beginChange(lo, hi, Math.max(end, 0));
    return 0;
  }
  const before = journal.place;
  const written = Math.min(Math.max(end - before, 0), size);
  const readable = written === 0 ? -1 : fs.openat(AT_FDCWD, fs.procPath(fd), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (readable < 0) return written; // it cannot be looked at: its length has to do
  const got = settled(hot.pread(readable, mem.address + OUT, written, before));
  hot.close(readable);
  return got === written && mem.bytes.compare(mem.bytes, OUT, OUT + got, req.payload, req.payload + got) === 0 ? got : 0;
}

/**
 * A close(2) over a network may write back, and wait. That of a local file reports nothing, and the kernel writes dirty pages back before
 * it asks: ENOSYS ends the asking.
 */
export function flush(fs: Passthrough): number {
  if (!fs.behaviour.closeReports) return -ENOSYS;
  const fd = someFd(fs, fs.mem.long(IN + s.fuse_flush_in.fh));
  if (fd < 0) return fd;
  const copy = fs.duplicate(fd);
  return copy < 0 ? copy : performOnOwn(fs, jobOn("close", copy));
}

export function fsync(fs: Passthrough): number {
  const fd = someFd(fs, fs.mem.long(IN + s.fuse_fsync_in.fh));
  if (fd < 0) return fd;
  const kind = (fs.mem.word(IN + s.fuse_fsync_in.fsync_flags) & abi.FUSE_FSYNC_FDATASYNC) !== 0 ? "fdatasync" : "fsync";
  return perform(fs, jobOn(kind, fd));
}

export function syncfs(fs: Passthrough): number {
  if (!fs.behaviour.sleeps) return 0;
  const fd = fs.openNode(abi.FUSE_ROOT_ID, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? fd : performOnOwn(fs, jobOn("syncfs", fd));
}

export function fallocate(fs: Passthrough): number {
  const { mem } = fs;
  const fd = fs.openFd(fs.req.nodeid, mem.long(IN + s.fuse_fallocate_in.fh), true);
  if (fd < 0) return fd;
  const offset = mem.long(IN + s.fuse_fallocate_in.offset);
  const length = mem.long(IN + s.fuse_fallocate_in.length);
  const mode = mem.word(IN + s.fuse_fallocate_in.mode);
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length)) return -EFBIG;
  return perform(fs, jobOn("fallocate", fd, offset, length, mode));
}

/**
 * Holes: the storage does not know the newest data while pages are the kernel's, and it writes none back before it asks. So it must answer by
 * itself, that all is data, unless it has no pages (FUSE_PASSTHROUGH).
 */
export function lseek(fs: Passthrough): number {
  const { mem, req } = fs;
  if (!fs.behaviour.passthrough) return -ENOSYS;
  const fd = fs.openFd(req.nodeid, mem.long(IN + s.fuse_lseek_in.fh), false);
  if (fd < 0) return fd;
  const offset = mem.long(IN + s.fuse_lseek_in.offset);
  if (!Number.isSafeInteger(offset)) return -EINVAL;
  const whence = mem.word(IN + s.fuse_lseek_in.whence);
  const cached = fs.nodes.backing(req.nodeid) === BACKING_CACHED;
  const result = cached ? seekInData(fs, fd, offset, whence) : settled(Number(hot.lseek(fd, offset, whence)));
  if (result < 0) return result;
  mem.setLong(OUT, result);
  return s.fuse_lseek_out.SIZE;
}

/** The same for one file with pages: ENOSYS would be for all files and for ever. */
function seekInData(fs: Passthrough, fd: number, offset: number, whence: number): number {
  const result = fs.statFd(fd);
  const size = fs.mem.long(STATX_AT + STATX.stx_size);
  return result < 0 ? result : offset >= size ? -ENXIO : whence === SEEK_DATA ? offset : size;
}

function copy(fs: Passthrough, kind: "copy_file_range" | "copy_file_range_64"): number {
  const { mem } = fs;
  // The one to write by first: of the same file it serves for both, and takes the place of one that could only be read.
  const fhOut = mem.long(IN + s.fuse_copy_file_range_in.fh_out);
  const to = fs.openFd(mem.long(IN + s.fuse_copy_file_range_in.nodeid_out), fhOut, true);
  const fd = fs.openFd(fs.req.nodeid, mem.long(IN + s.fuse_copy_file_range_in.fh_in), false);
  if (fd < 0 || to < 0) return Math.min(fd, to);
  const offset = mem.long(IN + s.fuse_copy_file_range_in.off_in);
  // The kernel refuses to copy into what is open for appending, so the caller's flag is gone.
  if ((fs.handles.flags(fhOut) & O_APPEND) !== 0) followAppend(fs, fhOut, to);
  const toOffset = mem.long(IN + s.fuse_copy_file_range_in.off_out);
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(toOffset)) return -EFBIG;
  // Bounded, so that one copy does not hold the other callers up; a short answer is continued by the caller.
  const length = Math.min(mem.long(IN + s.fuse_copy_file_range_in.len), 64 * MAX_IO);
  const job = { kind, fd, offset, length, mode: 0, to, toOffset };
  return length <= QUICK_COPY ? runJob(mem, job) : perform(fs, job);
}

export const copyFileRange = (fs: Passthrough): number => copy(fs, "copy_file_range");
export const copyFileRange64 = (fs: Passthrough): number => copy(fs, "copy_file_range_64");
