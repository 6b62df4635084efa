// Attributes: GETATTR, STATX, SETATTR and STATFS. What an open handle can answer is answered by it, so unlinked files keep working;
// times go through in nanoseconds, with UTIME_NOW and UTIME_OMIT meaning what the caller meant.
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, O_ACCMODE, O_NONBLOCK, O_RDONLY, O_WRONLY, S_IFREG } from "../../sys/constants.ts";
import { UTIME_NOW, UTIME_OMIT } from "../../sys/constants.ts";
import { settled } from "../../sys/call.ts";
import { ERRNO } from "../../sys/errno.ts";
import { hot } from "../../sys/hot.ts";
import * as abi from "../abi/constants.ts";
import {
  fuse_attr,
  fuse_attr_out,
  fuse_getattr_in,
  fuse_setattr_in,
  fuse_statfs_out,
  fuse_statx_in,
  fuse_statx_out,
} from "../abi/structs.ts";
import { EMPTY_AT, IN, OUT, STATFS_AT, TIMES_AT } from "../codec/memory.ts";
import { putAttrOut, putStatfs, putStatx } from "../codec/reply.ts";
import type { Passthrough } from "./passthrough.ts";

const { EACCES, EFBIG, EPERM, ESTALE } = ERRNO;
/** What fuse_flush_times sends of regular files, with a handle if the file is open for writing. */
const WRITTEN_BACK = abi.FATTR_MTIME | abi.FATTR_CTIME;
const CHANGES = abi.FATTR_MODE | abi.FATTR_UID | abi.FATTR_GID | abi.FATTR_SIZE | abi.FATTR_ATIME | abi.FATTR_MTIME;
const NONE = 0xffffffff;

function statByHandleOrNode(fs: Passthrough, flags: number, fhAt: number): number {
  const fh = fs.mem.long(fhAt);
  if ((flags & abi.FUSE_GETATTR_FH) !== 0 && fh !== 0) {
    const fd = fs.handleFd(fh);
    if (fd >= 0) return fs.statFd(fd);
  }
  return fs.statNode(fs.req.nodeid);
}

export function getattr(fs: Passthrough): number {
  const result = statByHandleOrNode(fs, fs.mem.word(IN + fuse_getattr_in.getattr_flags), IN + fuse_getattr_in.fh);
  if (result < 0) return result;
  fs.small.told(fs.req.nodeid);
  putAttrOut(fs.mem, OUT, fs.behaviour.timeout);
  return fuse_attr_out.SIZE;
}

export function statx(fs: Passthrough): number {
  const result = statByHandleOrNode(fs, fs.mem.word(IN + fuse_statx_in.getattr_flags), IN + fuse_statx_in.fh);
  if (result < 0) return result;
  fs.small.told(fs.req.nodeid);
  putStatx(fs.mem, OUT, fs.behaviour.timeout);
  return fuse_statx_out.SIZE;
}

export function setattr(fs: Passthrough): number {
  const { mem, req } = fs;
  const valid = mem.word(IN + fuse_setattr_in.valid);
  const named = (valid & abi.FATTR_FH) === 0 ? 0 : mem.long(IN + fuse_setattr_in.fh);
  const fh = fs.handles.has(named) ? named : 0;
  const fd = target(fs, valid, fh);
  const writtenBack = fs.behaviour.writeback && (valid & ~abi.FATTR_FH) === WRITTEN_BACK;
  if (writtenBack && (fd === -EACCES || (fd === -ESTALE && fs.nodes.has(req.nodeid)))) return unreachable(fs);
  if (fd < 0) return fd;
  let result = 0;
  if ((valid & abi.FATTR_MODE) !== 0) {
    result = fs.chmodFd(fd, mem.word(IN + fuse_setattr_in.mode) & 0o7777);
  }
  if (result >= 0 && (valid & (abi.FATTR_UID | abi.FATTR_GID)) !== 0) result = chown(fs, fd, valid);
  if (result >= 0 && (valid & CHANGES) === 0) clearSetId(fs, fd);
  if (result >= 0 && (valid & abi.FATTR_SIZE) !== 0) result = resize(fs, fd, fh, valid);
  if (result >= 0 && (valid & (abi.FATTR_ATIME | abi.FATTR_MTIME)) !== 0) result = setTimes(fs, fd, valid);
  if (result >= 0) result = fs.statFd(fd);
  fs.giveBack();
  if (result < 0) return result;
  fs.small.told(req.nodeid);
  fs.small.changed(req.nodeid);
  putAttrOut(mem, OUT, fs.behaviour.timeout);
  return fuse_attr_out.SIZE;
}

/** What a SETATTR works on: with a size it can be written, if it is a handle's or the node's own. */
function target(fs: Passthrough, valid: number, fh: number): number {
  const { nodeid } = fs.req;
  if (fh !== 0) return fs.handleFd(fh);
  if (fs.behaviour.noOpen) {
    if ((valid & abi.FATTR_SIZE) !== 0) return fs.files.fd(nodeid, true);
    if ((valid & abi.FATTR_MODE) !== 0) fs.files.losing(nodeid, fs.mem.word(IN + fuse_setattr_in.mode));
  }
  return fs.borrow(nodeid);
}

// The kernel writes the times of a file back when it drops it from its cache. If the file was unlinked and closed meanwhile there is
// nothing left to date; if it lives on under a name nobody looked up, or below a directory that was closed to us, it keeps the storage's
// own date of the write. An error would count as lost data: syncfs(2) would report it.
function unreachable(fs: Passthrough): number {
  fs.mem.clear(OUT, fuse_attr_out.SIZE);
  fs.mem.setWord(OUT + fuse_attr_out.attr + fuse_attr.mode, S_IFREG); // of another type the kernel would never use it again
  return fuse_attr_out.SIZE;
}

// Nothing to change at all is what the kernel sends for chown(-1, -1), which clears set-id bits nevertheless, and before a write that
// clears them; who may write and is not the owner is refused here, and the write does it.
function clearSetId(fs: Passthrough, fd: number): void {
  fs.creds.become(fs.req);
  chown(fs, fd, 0);
  fs.creds.restore();
}

function chown(fs: Passthrough, fd: number, valid: number): number {
  const { mem } = fs;
  const uid = (valid & abi.FATTR_UID) === 0 ? NONE : mem.word(IN + fuse_setattr_in.uid);
  const gid = (valid & abi.FATTR_GID) === 0 ? NONE : mem.word(IN + fuse_setattr_in.gid);
  return settled(hot.fchownat(fd, mem.address + EMPTY_AT, uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

function resize(fs: Passthrough, fd: number, fh: number, valid: number): number {
  const size = fs.mem.long(IN + fuse_setattr_in.size);
  if (!Number.isSafeInteger(size)) return -EFBIG;
  const kill = (valid & abi.FATTR_KILL_SUIDGID) !== 0;
  // truncate(2) to the size a file has leaves its times alone, ftruncate(2) does not: the kernel told which it was.
  if (fh === 0 && (valid & abi.FATTR_MTIME) === 0) {
    if (kill) fs.creds.become(fs.req);
    const result = settled(hot.truncate(fs.procPath(fd), size));
    fs.creds.restore();
    if (result !== -EACCES) return result;
  }
  const writable = fh === 0 ? fs.behaviour.noOpen : (fs.handles.flags(fh) & O_ACCMODE) !== O_RDONLY;
  return truncate(fs, fd, writable, size, kill);
}

/**
 * ftruncate(2) on the file of `fd`, which may be any descriptor unless it is `writable`. It drops set-id bits where the caller lacks
 * CAP_FSETID: the kernel says so (`kill`), the storage does it when we act as the caller.
 */
export function truncate(fs: Passthrough, fd: number, writable: boolean, size: number, kill: boolean): number {
  const target = writable ? fd : fs.reopen(fd, O_WRONLY | O_NONBLOCK);
  if (target < 0) return target;
  if (kill) fs.creds.become(fs.req);
  const result = settled(hot.ftruncate(target, size));
  fs.creds.restore();
  if (!writable) hot.close(target);
  return result;
}

function setTimes(fs: Passthrough, fd: number, valid: number): number {
  const { mem } = fs;
  putTime(fs, TIMES_AT, valid, abi.FATTR_ATIME, abi.FATTR_ATIME_NOW, fuse_setattr_in.atime, fuse_setattr_in.atimensec);
  putTime(fs, TIMES_AT + 16, valid, abi.FATTR_MTIME, abi.FATTR_MTIME_NOW, fuse_setattr_in.mtime, fuse_setattr_in.mtimensec);
  const result = fs.setTimesFd(fd, mem.address + TIMES_AT);
  return result === -EPERM && fs.behaviour.writeback ? setTimesOfAnother(fs, fd, valid) : result;
}

// With the writeback cache the kernel dates files itself and sends "now" as a value, which only a file's owner may set. One who may merely
// write to it was permitted to: the storage has dated the write, and for touch(1) takes its own clock.
function setTimesOfAnother(fs: Passthrough, fd: number, valid: number): number {
  const { mem } = fs;
  if ((valid & abi.FATTR_ATIME) === 0) return (valid & (abi.FATTR_FH | abi.FATTR_SIZE)) === 0 ? -EPERM : 0;
  if ((valid & abi.FATTR_ATIME_NOW) === 0) return -EPERM;
  mem.setLong(TIMES_AT + 8, UTIME_NOW);
  mem.setLong(TIMES_AT + 24, UTIME_NOW);
  return fs.setTimesFd(fd, mem.address + TIMES_AT);
}

/** One struct timespec: seconds copied bit by bit (they may be negative), nanoseconds zero-extended. */
function putTime(fs: Passthrough, at: number, valid: number, set: number, now: number, sec: number, nsec: number): void {
  const { mem } = fs;
  mem.copyLong(at, IN + sec);
  const value = (valid & set) === 0 ? UTIME_OMIT : (valid & now) !== 0 ? UTIME_NOW : mem.word(IN + nsec);
  mem.setLong(at + 8, value);
}

export function statfs(fs: Passthrough): number {
  const result = settled(hot.fstatfs(fs.rootFd, fs.mem.address + STATFS_AT));
  if (result < 0) return result;
  putStatfs(fs.mem, OUT);
  return fuse_statfs_out.SIZE;
}
