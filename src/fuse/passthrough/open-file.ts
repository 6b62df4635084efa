// Opening files: which flags reach the storage, which the kernel is told, and whether reads and writes go to the backing file
// directly (FUSE_PASSTHROUGH). All open handles of one node either bypass the page cache or use it, never a mixture: the kernel
// answers a mixture with EIO.
import {
  O_ACCMODE,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_DSYNC,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_NONBLOCK,
} from "../../sys/constants.ts";
import { S_ISGID, S_ISUID, O_RDONLY, O_RDWR, O_SYNC, O_TMPFILE, O_TRUNC, O_WRONLY } from "../../sys/constants.ts";
import { ERRNO } from "../../sys/errno.ts";
import { hot } from "../../sys/hot.ts";
import { STATX } from "../../sys/stat.ts";
import * as abi from "../abi/constants.ts";
import { fuse_create_in, fuse_entry_out, fuse_open_in, fuse_open_out, fuse_release_in } from "../abi/structs.ts";
import { DOT_AT, IN, OUT, STATX_AT } from "../codec/memory.ts";
import { putOpen } from "../codec/reply.ts";
import { truncate } from "./attr.ts";
import { BACKING_CACHED } from "./inode-table.ts";
import { componentLength, enterStatted, lookup } from "./lookup.ts";
import type { Passthrough } from "./passthrough.ts";

const { EACCES, ENFILE, ENOMEM, ENOSYS, EPERM } = ERRNO;

/** Of the caller's flags what the storage should know. O_DIRECT concerns the kernel's cache above us; our buffers are not aligned. */
function storageFlags(fs: Passthrough, flags: number): number {
  // One descriptor for all who have the file open; the kernel sends an FSYNC after each write that asks for O_SYNC.
  if (fs.behaviour.noOpen) return O_RDWR | O_NONBLOCK | O_CLOEXEC;
  const wanted = (flags & (O_ACCMODE | O_APPEND | O_SYNC | O_DSYNC | O_NOATIME)) | O_NONBLOCK | O_CLOEXEC;
  if (!fs.behaviour.writeback) return wanted;
  // The kernel reads pages in before it writes parts of them, and orders appends itself.
  const both = (wanted & O_ACCMODE) === O_WRONLY ? (wanted & ~O_ACCMODE) | O_RDWR : wanted;
  return both & ~O_APPEND;
}

/** `wanted` without writeback's wish to read, which a file that may only be written does not grant. */
const withoutReading = (flags: number, wanted: number): number =>
  (flags & O_ACCMODE) === O_WRONLY ? (wanted & ~O_ACCMODE) | O_WRONLY : wanted;

/** What the kernel is told of a handle that does not bypass it. One that cannot read may not have pages, for filling them needs reading. */
function cachingOf(fs: Passthrough, flags: number, wanted: number, keep: boolean): number {
  if ((flags & O_DIRECT) !== 0) return abi.FOPEN_DIRECT_IO | abi.FOPEN_PARALLEL_DIRECT_WRITES;
  if (fs.behaviour.writeback && (wanted & O_ACCMODE) === O_WRONLY) return abi.FOPEN_DIRECT_IO;
  return keep ? abi.FOPEN_KEEP_CACHE : 0;
}

/** Makes a handle of `fd` and writes fuse_open_out at `at`. `keep`: the pages that the kernel has are not out of date. */
function answerOpen(fs: Passthrough, nodeid: number, fd: number, flags: number, wanted: number, keep: boolean, at: number): number {
  const { nodes, behaviour } = fs;
  let open = 0;
  let backing = 0;
  if (behaviour.passthrough) backing = startPassthrough(fs, nodeid, fd);
  const fh = fs.keepHandle(nodeid, wanted, fd);
  if (fh === 0) return -ENFILE;
  open |= backing > 0 ? abi.FOPEN_PASSTHROUGH : cachingOf(fs, flags, wanted, keep);
  if (!behaviour.closeReports && !behaviour.writeback) open |= abi.FOPEN_NOFLUSH;
  putOpen(fs.mem, at, fh, open, backing);
  nodes.setBacking(nodeid, behaviour.passthrough ? backing || BACKING_CACHED : 0);
  return fuse_open_out.SIZE;
}

/** The same where requests name no handle. */
function answerCreated(fs: Passthrough, nodeid: number, fd: number, wanted: number, named: boolean, at: number): number {
  const result = fs.files.created(nodeid, fd, wanted, fs.mem.word(STATX_AT + STATX.stx_mode), named);
  if (result < 0) return result;
  putOpen(fs.mem, at, 0, abi.FOPEN_KEEP_CACHE, 0);
  return fuse_open_out.SIZE;
}

function startPassthrough(fs: Passthrough, nodeid: number, fd: number): number {
  const known = fs.nodes.backing(nodeid);
  if (known === BACKING_CACHED) return 0;
  if (known !== 0) return known;
  if (fs.nodes.firstHandle(nodeid) !== 0) return 0;
  // Writes to a backing file carry our credentials and would keep set-id bits that the writer's must clear.
  if ((fs.mem.word(STATX_AT + STATX.stx_mode) & (S_ISUID | S_ISGID)) !== 0) return 0;
  return Math.max(
    0,
    fs.creds.withoutFsetid(() => fs.services.backingOpen(fd)),
  );
}

export function open(fs: Passthrough): number {
  const { mem, req } = fs;
  if (fs.behaviour.noOpen) return -ENOSYS; // it is the last one
  const flags = mem.word(IN + fuse_open_in.flags);
  let wanted = storageFlags(fs, flags);
  let fd = fs.openNode(req.nodeid, wanted);
  if (fd === -EACCES || fd === -EPERM) {
    const refused = wanted;
    wanted = withoutReading(flags, wanted);
    if (wanted !== refused) fd = fs.openNode(req.nodeid, wanted);
  }
  if (fd < 0) return fd;
  if ((flags & O_TRUNC) !== 0) {
    const kill = (mem.word(IN + fuse_open_in.open_flags) & abi.FUSE_OPEN_KILL_SUIDGID) !== 0;
    const result = truncate(fs, fd, (wanted & O_ACCMODE) !== O_RDONLY, 0, kill);
    if (result < 0) {
      hot.close(fd);
      return result;
    }
  }
  const keep = fs.small.opened(req.nodeid, fd, flags);
  return answerOpen(fs, req.nodeid, fd, flags, wanted, keep, OUT);
}

export function create(fs: Passthrough): number {
  const length = componentLength(fs, fs.req.name0);
  if (length < 0) return length;
  const flags = fs.mem.word(IN + fuse_create_in.flags);
  const how = (flags & (O_EXCL | O_TRUNC)) | O_CREAT | O_NOFOLLOW;
  return createAs(fs, flags, how, fs.mem.address + fs.req.name0, length);
}

/**
 * CREATE of a file that a predecessor may have made, perhaps with a mode that lets nobody write it. So whoever owns it and finds it empty
 * has it open as if it were made now.
 */
export function openMade(fs: Passthrough): number {
  const { mem, req } = fs;
  const at = IN + fuse_create_in.flags;
  const flags = mem.word(at);
  mem.setWord(at, flags & ~O_EXCL);
  const created = create(fs);
  if (created !== -EACCES) return created;
  const entered = lookup(fs);
  if (entered < 0) return entered;
  const nodeid = mem.word(OUT + fuse_entry_out.nodeid);
  if (nodeid === 0) return -EACCES;
  const own = mem.word(STATX_AT + STATX.stx_uid) === req.uid && mem.long(STATX_AT + STATX.stx_size) === 0;
  const wanted = storageFlags(fs, flags);
  const fd = own ? fs.openNodeAnyhow(nodeid, wanted) : -EACCES;
  if (fd < 0) {
    fs.nodes.forget(nodeid, 1);
    return fd;
  }
  return answerMade(fs, nodeid, fd, flags, wanted, true);
}

export function tmpfile(fs: Passthrough): number {
  const flags = fs.mem.word(IN + fuse_create_in.flags);
  return createAs(fs, flags, O_TMPFILE | (flags & O_EXCL), fs.mem.address + DOT_AT, 0);
}

function createAs(fs: Passthrough, flags: number, how: number, name: number, length: number): number {
  const { mem, req, creds } = fs;
  const dirfd = fs.dirFd(req.nodeid);
  if (dirfd < 0) return dirfd;
  if (fs.nodes.full) return -ENOMEM;
  const wanted = storageFlags(fs, flags);
  creds.umask(mem.word(IN + fuse_create_in.umask));
  const fd = creds.making(req, () => fs.openat(dirfd, name, wanted | how, mem.word(IN + fuse_create_in.mode) & 0o7777));
  if (fd < 0) return fd;
  const result = fs.statFd(fd);
  const entered = result < 0 ? result : enterStatted(fs, req.nodeid, req.name0, length, OUT);
  if (entered < 0) {
    hot.close(fd);
    return entered;
  }
  const nodeid = mem.word(OUT + fuse_entry_out.nodeid);
  fs.small.changed(nodeid);
  const answer = answerMade(fs, nodeid, fd, flags, wanted, length > 0);
  if (answer >= 0 && length === 0) fs.nameless.keep(nodeid);
  return answer;
}

/** Writes fuse_open_out behind the entry of a node that was looked up, which is taken back if there is no handle to be had. */
function answerMade(fs: Passthrough, nodeid: number, fd: number, flags: number, wanted: number, named: boolean): number {
  const at = OUT + fuse_entry_out.SIZE;
  const opened = fs.behaviour.noOpen
    ? answerCreated(fs, nodeid, fd, wanted, named, at)
    : answerOpen(fs, nodeid, fd, flags, wanted, true, at);
  if (opened >= 0) return fuse_entry_out.SIZE + fuse_open_out.SIZE;
  fs.nodes.forget(nodeid, 1);
  return opened;
}

export function release(fs: Passthrough): number {
  const fh = fs.mem.long(IN + fuse_release_in.fh);
  if (!fs.handles.has(fh)) return 0;
  const nodeid = fs.handles.node(fh);
  // The last handle of a node decides anew; the node may be freed by closing it, so the backing file goes first.
  if (fs.nodes.firstHandle(nodeid) === fh && fs.handles.next(fh) === 0) {
    const backing = fs.nodes.backing(nodeid);
    if (backing !== 0 && backing !== BACKING_CACHED) fs.services.backingClose(backing);
    fs.nodes.setBacking(nodeid, 0);
    fs.nameless.forget(nodeid);
  }
  fs.handles.close(fh);
  return 0;
}
