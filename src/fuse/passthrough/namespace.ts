// Making, removing and renaming names. Creation acts as the caller under the caller's umask. What a removal or a replacing rename
// deletes is found first, so that its node leaves the index before the storage can give its inode number to another file.
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  O_CLOEXEC,
  O_NOFOLLOW,
  O_PATH,
  RENAME_EXCHANGE,
  RENAME_WHITEOUT,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
} from "../../sys/constants.ts";
import { settled } from "../../sys/call.ts";
import { ERRNO } from "../../sys/errno.ts";
import { hot } from "../../sys/hot.ts";
import { STATX } from "../../sys/stat.ts";
import * as s from "../abi/structs.ts";
import { EMPTY_AT, IN, OUT, STATX_AT } from "../codec/memory.ts";
import { componentLength, entryOf } from "./lookup.ts";
import type { Passthrough } from "./passthrough.ts";

const PATH_MAX = 4096;

/** Creates something called name0 in the request's directory, as the caller, and answers with its entry. */
function make(fs: Passthrough, umask: number, call: (dirfd: number, name: number) => number, name = fs.req.name0): number {
  const { req, creds } = fs;
  const dirfd = fs.dirFd(req.nodeid);
  if (dirfd < 0) return dirfd;
  const length = componentLength(fs, name);
  if (length < 0) return length;
  if (fs.nodes.full) return -ERRNO.ENOMEM;
  if (umask >= 0) creds.umask(umask);
  const result = creds.making(req, () => settled(call(dirfd, fs.mem.address + name)));
  return result < 0 ? result : entryOf(fs, req.nodeid, dirfd, name, length);
}

export function mkdir(fs: Passthrough): number {
  const mode = fs.mem.word(IN + s.fuse_mkdir_in.mode) & 0o7777;
  return make(fs, fs.mem.word(IN + s.fuse_mkdir_in.umask), (dirfd, name) => hot.mkdirat(dirfd, name, mode));
}

export function mknod(fs: Passthrough): number {
  const mode = fs.mem.word(IN + s.fuse_mknod_in.mode);
  const rdev = fs.mem.word(IN + s.fuse_mknod_in.rdev);
  // The protocol's 32-bit device number (new_encode_dev) and glibc's dev_t agree as long as both parts fit, which they do.
  return make(fs, fs.mem.word(IN + s.fuse_mknod_in.umask), (dirfd, name) => hot.mknodat(dirfd, name, mode, rdev));
}

export function symlink(fs: Passthrough): number {
  const target = fs.req.name1;
  if (fs.req.end - target > PATH_MAX) return -ERRNO.ENAMETOOLONG;
  return make(fs, -1, (dirfd, name) => hot.symlinkat(fs.mem.address + target, dirfd, name));
}

export function link(fs: Passthrough): number {
  const fd = fs.borrow(fs.mem.long(IN + s.fuse_link_in.oldnodeid));
  if (fd < 0) return fd;
  const dirfd = fs.dirFd(fs.req.nodeid);
  const length = componentLength(fs, fs.req.name0);
  let result = Math.min(dirfd, length);
  if (result >= 0) {
    result = settled(hot.linkat(AT_FDCWD, fs.procPath(fd), dirfd, fs.mem.address + fs.req.name0, AT_SYMLINK_FOLLOW));
  }
  fs.giveBack();
  if (result < 0) return result;
  const entry = entryOf(fs, fs.req.nodeid, dirfd, fs.req.name0, length);
  const linked = fs.mem.long(IN + s.fuse_link_in.oldnodeid);
  if (fs.behaviour.noOpen) fs.files.unpin(linked);
  fs.nameless.forget(linked);
  return entry;
}

export function readlink(fs: Passthrough): number {
  const { mem } = fs;
  // Not by its name, which a rename may have given to another link: who looked it up before means this one.
  const fd = fs.borrow(fs.req.nodeid);
  if (fd < 0) return fd;
  const result = settled(hot.readlinkat(fd, mem.address + EMPTY_AT, mem.address + OUT, PATH_MAX));
  fs.giveBack();
  return result;
}

/** The known node behind a name, or 0, and whether removing that name deletes the file: what `removed` needs afterwards. */
interface Victim {
  readonly nodeid: number;
  readonly directory: boolean;
  /** A fifo, a socket, a symlink: opening one sends no request, so we have no descriptor of those that are open. */
  readonly special: boolean;
  readonly last: boolean;
}

const NOBODY: Victim = { nodeid: 0, directory: false, special: false, last: false };

function victim(fs: Passthrough, dirfd: number, name: number): Victim {
  if (fs.statName(dirfd, fs.mem.address + name) < 0) return NOBODY;
  const type = fs.mem.word(STATX_AT + STATX.stx_mode) & S_IFMT;
  const directory = type === S_IFDIR;
  const last = directory || fs.mem.word(STATX_AT + STATX.stx_nlink) <= 1;
  return { nodeid: fs.statted(), directory, special: !directory && type !== S_IFREG, last };
}

/** A file that may be open is about to lose the last name we know: 0, or -errno for "leave it". */
function pin(fs: Passthrough, { nodeid, directory, last }: Victim, dirfd: number, name: number): number {
  const { nodes } = fs;
  const { noOpen } = fs.behaviour;
  if (nodeid === 0 || directory || (!noOpen && nodes.firstHandle(nodeid) === 0)) return 0;
  if (!last && nodes.nextLink(nodes.firstLink(nodeid)) !== 0) return 0;
  const pinned = noOpen ? fs.files.pin(nodeid, dirfd, fs.mem.address + name) : 0;
  if (pinned < 0) return pinned;
  if ((noOpen && !nodes.wasOpened(nodeid)) || !fs.nameless.keep(nodeid)) fs.nameless.keepLater(nodeid);
  return 0;
}

function unpin(fs: Passthrough, { nodeid, directory }: Victim): void {
  if (nodeid === 0 || directory) return;
  if (fs.behaviour.noOpen) fs.files.unpin(nodeid);
  fs.nameless.forget(nodeid);
}

function removed(fs: Passthrough, { nodeid, last }: Victim, parent: number, name: number, length: number): void {
  if (nodeid === 0) return;
  if (last) fs.nodes.detach(nodeid);
  fs.nodes.removeName(nodeid, parent, fs.mem.bytes, name, length);
}

const remove = (fs: Passthrough, flags: number): number => {
  const { nodeid, name0 } = fs.req;
  const dirfd = fs.dirFd(nodeid);
  const length = componentLength(fs, name0);
  if (dirfd < 0 || length < 0) return Math.min(dirfd, length);
  const gone = victim(fs, dirfd, name0);
  const pinned = pin(fs, gone, dirfd, name0);
  if (pinned < 0) return pinned;
  const kept = gone.special ? keep(fs, gone, dirfd, name0) : -1;
  const result = settled(hot.unlinkat(dirfd, fs.mem.address + name0, flags));
  if (result === 0) {
    if (kept >= 0) fs.dirs.put(gone.nodeid, kept);
    removed(fs, gone, nodeid, name0, length);
  } else {
    if (kept >= 0) hot.close(kept);
    unpin(fs, gone);
  }
  return result;
};

export const unlink = (fs: Passthrough): number => remove(fs, 0);
export const rmdir = (fs: Passthrough): number => remove(fs, AT_REMOVEDIR);

export const rename = (fs: Passthrough): number => move(fs, fs.mem.long(IN + s.fuse_rename_in.newdir), 0);
export const rename2 = (fs: Passthrough): number =>
  move(fs, fs.mem.long(IN + s.fuse_rename2_in.newdir), fs.mem.word(IN + s.fuse_rename2_in.flags));
export const renamed = (fs: Passthrough): number => follow(fs, fs.mem.long(IN + s.fuse_rename_in.newdir));
export const renamed2 = (fs: Passthrough): number => follow(fs, fs.mem.long(IN + s.fuse_rename2_in.newdir));

/**
 * An O_PATH descriptor of a file that is about to be deleted, or -1. An open that looked the name up just before a rename comes right after
 * it, and must find the old file: ESTALE would make the kernel try again once, which is not enough where a file is replaced all the time.
 * Given up with the node, or when others need the room.
 */
function keep(fs: Passthrough, { nodeid, directory, last }: Victim, dirfd: number, name: number): number {
  if (nodeid === 0 || !last || directory || fs.behaviour.noOpen) return -1;
  return fs.openat(dirfd, fs.mem.address + name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/**
 * An exchange done twice is none, and what a whiteout stands for would be replaced by the whiteout. Which file has the first name, of which
 * STATX_AT tells, is noted before, and compared when the request comes again.
 */
function movedBefore({ journal, mem }: Passthrough): boolean {
  const here = mem.long(STATX_AT + STATX.stx_ino);
  if (journal.place === 0) journal.place = here;
  return journal.place !== here;
}

/** A rename that a predecessor did and did not answer: its file is known by the new name from here on. */
function follow(fs: Passthrough, newdir: number): number {
  const { mem, nodes } = fs;
  const { nodeid, name0, name1 } = fs.req;
  const to = fs.dirFd(newdir);
  const [length0, length1] = [componentLength(fs, name0), componentLength(fs, name1)];
  const moved = to >= 0 && length0 > 0 && length1 > 0 ? victim(fs, to, name1).nodeid : 0;
  if (moved !== 0) {
    nodes.removeName(moved, nodeid, mem.bytes, name0, length0);
    nodes.addName(moved, newdir, mem.bytes, name1, length1);
  }
  return 0;
}

function move(fs: Passthrough, newdir: number, flags: number): number {
  const { mem, nodes } = fs;
  const { nodeid, name0, name1 } = fs.req;
  const from = fs.dirFd(nodeid);
  const to = fs.dirFd(newdir);
  const length0 = componentLength(fs, name0);
  const length1 = componentLength(fs, name1);
  if (from < 0 || to < 0 || length0 < 0 || length1 < 0) return Math.min(from, to, length0, length1);
  let moved = victim(fs, from, name0);
  const before = (flags & (RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0 && movedBefore(fs);
  if (before && (flags & RENAME_WHITEOUT) !== 0) return follow(fs, newdir);
  let replaced = victim(fs, to, name1);
  if (before) [moved, replaced] = [replaced, moved];
  const kept = flags === 0 ? keep(fs, replaced, to, name1) : -1;
  const replaces = (flags & RENAME_EXCHANGE) === 0 && moved.nodeid !== replaced.nodeid;
  const pinned = replaces ? pin(fs, replaced, to, name1) : 0;
  if (pinned < 0) return pinned;
  const call = (): number => settled(hot.renameat2(from, mem.address + name0, to, mem.address + name1, flags));
  // A whiteout is a file made by the caller; all else the kernel has permitted already.
  const result = before ? 0 : (flags & RENAME_WHITEOUT) !== 0 ? fs.creds.making(fs.req, call) : call();
  if (result < 0 || (moved.nodeid === replaced.nodeid && moved.nodeid !== 0)) {
    if (kept >= 0) hot.close(kept);
    if (replaces) unpin(fs, replaced);
    return result; // 0 for two names of one file: rename(2) does nothing
  }
  if (kept >= 0) fs.dirs.put(replaced.nodeid, kept);
  if ((flags & RENAME_EXCHANGE) !== 0) {
    if (replaced.nodeid !== 0) nodes.removeName(replaced.nodeid, newdir, mem.bytes, name1, length1);
    if (replaced.nodeid !== 0) nodes.addName(replaced.nodeid, nodeid, mem.bytes, name0, length0);
  } else removed(fs, replaced, newdir, name1, length1);
  if (moved.nodeid !== 0) {
    nodes.removeName(moved.nodeid, nodeid, mem.bytes, name0, length0);
    nodes.addName(moved.nodeid, newdir, mem.bytes, name1, length1);
  }
  return 0;
}
