// Walks one tree, depth first, synchronously (in a worker), following no link and entering no mount. A million files must neither
// take long nor fill memory: one buffer per level, one statx per entry, no array of names, and a path only where somebody asks.
// What vanishes meanwhile is no error; what cannot be read is told and passed over.
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
} from "../sys/constants.ts";
import { raw } from "../sys/call.ts";
import { DIRENT, getdents } from "../sys/dirents.ts";
import { ERRNO, errnoName } from "../sys/errno.ts";
import { libc } from "../sys/libc.ts";
import type { CName } from "../sys/name.ts";
import { STATX, STATX_BASIC_STATS, STATX_MNT_ID } from "../sys/stat.ts";
import type { Landmark } from "./landmarks.ts";

/** The entry the walk stands at. One object, refilled for every entry: copy what is to be kept. */
export interface Entry {
  /** A Buffer on the kernel's answer, ending in NUL. */
  name: CName;
  dirfd: number;
  isDirectory: boolean;
  isLink: boolean;
  size: number;
  /** Seconds since 1970, with fractions. */
  ctime: number;
  mtime: number;
  atime: number;
}

/** Where a directory leads: its own state `T`, handed to its entries; undefined is not entered. */
export interface Visitor<T> {
  file(entry: Entry, within: T): void;
  enter(entry: Entry, within: T): T | undefined;
  /** A directory that cannot be read; `within` is the state of the directory it is in. */
  unreadable(name: string, within: T, errno: string): void;
  mount(entry: Entry, within: T): void;
}

// Beyond this a tree is an attack or an accident; each level costs a descriptor.
const MAX_DEPTH = 2000;
const WIDE = 64 * 1024;
const NARROW = 2048;
const OPEN = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
const DOT = 0x2e;

const stat = Buffer.alloc(STATX.size);
const words = new Uint32Array(stat.buffer, stat.byteOffset, STATX.size / 4);
const word = (offset: number): number => words[offset >> 2] ?? 0;
const time = (offset: number): number => word(offset + 4) * 4294967296 + word(offset) + word(offset + 8) / 1e9;

const nameOf = (name: Uint8Array): string => (name as Buffer).toString("latin1", 0, name.length - 1);

/** The name's bytes as a latin1 string. */
export const entryName = (entry: Entry): string => nameOf(entry.name);

/** Walks what is below the open directory `root`, and closes it. */
export function walk<T>(root: number, within: T, landmark: Landmark, visitor: Visitor<T>): void {
  const buffers: Buffer[] = [];
  const entry: Entry = {
    name: Buffer.alloc(1) as Uint8Array as CName,
    dirfd: root,
    isDirectory: false,
    isLink: false,
    size: 0,
    ctime: 0,
    mtime: 0,
    atime: 0,
  };
  const empty = Buffer.alloc(1);
  raw(libc.statx, root, empty, AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, stat);
  const place = mountOf();

  const directory = (fd: number, within: T, landmark: Landmark | undefined, depth: number): void => {
    const buffer = (buffers[depth] ??= Buffer.allocUnsafeSlow(depth < 32 ? WIDE : NARROW));
    const marks = landmark !== undefined && landmark.children.size > 0 ? landmark.children : undefined;
    for (;;) {
      const filled = getdents(fd, buffer);
      if (filled < 0 && filled !== -ERRNO.ENOENT) visitor.unreadable("", within, errnoName(-filled));
      if (filled <= 0) return;
      for (let at = 0; at < filled; at += buffer.readUInt16LE(at + DIRENT.reclen)) {
        const from = at + DIRENT.name;
        if (buffer[from] === DOT && (buffer[from + 1] === 0 || (buffer[from + 1] === DOT && buffer[from + 2] === 0))) continue;
        const name = buffer.subarray(from, buffer.indexOf(0, from) + 1) as Uint8Array as CName;
        const mark = marks?.get(nameOf(name));
        // Not even a stat: what is mounted there may never answer.
        if (mark?.stop === true) continue;
        if (raw(libc.statx, fd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_MNT_ID, stat) < 0) continue;
        const type = stat.readUInt16LE(STATX.stx_mode) & S_IFMT;
        entry.name = name;
        entry.dirfd = fd;
        entry.isDirectory = type === S_IFDIR;
        entry.isLink = type === S_IFLNK;
        entry.size = word(STATX.stx_size + 4) * 4294967296 + word(STATX.stx_size);
        entry.ctime = time(STATX.stx_ctime);
        entry.mtime = time(STATX.stx_mtime);
        entry.atime = time(STATX.stx_atime);
        if (!entry.isDirectory) visitor.file(entry, within);
        else if (mountOf() !== place) visitor.mount(entry, within);
        else descend(fd, name, visitor.enter(entry, within), within, mark, depth);
      }
    }
  };

  const descend = (fd: number, name: CName, inner: T | undefined, outer: T, mark: Landmark | undefined, depth: number): void => {
    if (inner === undefined) return;
    const child = depth + 1 >= MAX_DEPTH ? -ERRNO.ENAMETOOLONG : raw(libc.openat, fd, name, OPEN, 0);
    if (child < 0) {
      // Gone, or replaced by something else, since it was looked at.
      if (child !== -ERRNO.ENOENT && child !== -ERRNO.ENOTDIR && child !== -ERRNO.ELOOP) {
        visitor.unreadable(nameOf(name), outer, errnoName(-child));
      }
      return;
    }
    try {
      directory(child, inner, mark, depth + 1);
    } finally {
      libc.close(child);
    }
  };

  try {
    directory(root, within, landmark, 0);
  } finally {
    libc.close(root);
  }
}

/** Which mount the file in `stat` is on: its mount id, or its device where the kernel (before 5.8) tells no id. */
const mountOf = (): number =>
  (word(STATX.stx_mask) & STATX_MNT_ID) !== 0
    ? word(STATX.stx_mnt_id + 4) * 4294967296 + word(STATX.stx_mnt_id)
    : -(word(STATX.stx_dev_major) * 1_048_576 + word(STATX.stx_dev_minor)) - 1;
