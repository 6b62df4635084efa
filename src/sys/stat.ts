// statx(2): one buffer layout, read through straight-line accessors. struct statx, include/uapi/linux/stat.h, is the same on every
// architecture. 64-bit fields that do not fit a number without loss (ino, the seconds of a time) are BigInt here; the request path
// of the FUSE server copies them as word pairs instead and does not use this file's Stat.
import { fstatSync } from "node:fs";
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "./constants.ts";
import { call, raw } from "./call.ts";
import { ERRNO, SysError } from "./errno.ts";
import { libc } from "./libc.ts";
import { cstr, nameText, type CName } from "./name.ts";

/** Offsets in struct statx. */
export const STATX = {
  size: 256,
  stx_mask: 0,
  stx_blksize: 4,
  stx_attributes: 8,
  stx_nlink: 16,
  stx_uid: 20,
  stx_gid: 24,
  stx_mode: 28,
  stx_ino: 32,
  stx_size: 40,
  stx_blocks: 48,
  stx_attributes_mask: 56,
  stx_atime: 64,
  stx_btime: 80,
  stx_ctime: 96,
  stx_mtime: 112,
  stx_rdev_major: 128,
  stx_rdev_minor: 132,
  stx_dev_major: 136,
  stx_dev_minor: 140,
  stx_mnt_id: 144,
} as const;

export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;
export const STATX_MNT_ID = 0x1000;

/** What a Stat is made of. */
const STATX_STAT = STATX_BASIC_STATS | STATX_MNT_ID;

/** What a file is, all fields as the kernel has them; times are whole nanoseconds since 1970, negative before it. */
export interface Stat {
  readonly dev: string;
  readonly ino: bigint;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly blocks: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** Which device a device node is, as mknod(2) takes it. */
  readonly rdev: number;
  /** The mount it was found on; 0 before Linux 5.8, which does not say. A bind mount has the `dev` of what it shows. */
  readonly mount: bigint;
}

const buffer = Buffer.alloc(STATX.size);
const empty = cstr("");

const time = (offset: number): bigint => buffer.readBigInt64LE(offset) * 1_000_000_000n + BigInt(buffer.readUInt32LE(offset + 8));

// makedev(3); the kernel has 12 bits for the major and 20 for the minor number.
const makedev = (major: number, minor: number): number => (minor & 0xfff00) * 0x1000 + (major & 0xfff) * 0x100 + (minor & 0xff);

function decode(): Stat {
  return {
    dev: `${buffer.readUInt32LE(STATX.stx_dev_major)}:${buffer.readUInt32LE(STATX.stx_dev_minor)}`,
    ino: buffer.readBigUInt64LE(STATX.stx_ino),
    mode: buffer.readUInt16LE(STATX.stx_mode),
    nlink: buffer.readUInt32LE(STATX.stx_nlink),
    uid: buffer.readUInt32LE(STATX.stx_uid),
    gid: buffer.readUInt32LE(STATX.stx_gid),
    size: Number(buffer.readBigUInt64LE(STATX.stx_size)),
    blocks: Number(buffer.readBigUInt64LE(STATX.stx_blocks)),
    atimeNs: time(STATX.stx_atime),
    mtimeNs: time(STATX.stx_mtime),
    ctimeNs: time(STATX.stx_ctime),
    rdev: makedev(buffer.readUInt32LE(STATX.stx_rdev_major), buffer.readUInt32LE(STATX.stx_rdev_minor)),
    mount: (buffer.readUInt32LE(STATX.stx_mask) & STATX_MNT_ID) === 0 ? 0n : buffer.readBigUInt64LE(STATX.stx_mnt_id),
  };
}

/** The file `name` in `dirfd`, not following a symlink; undefined if there is none (ENOENT). Throws SysError otherwise. */
export function statAt(dirfd: number, name: CName): Stat | undefined {
  const result = raw(libc.statx, dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_STAT, buffer);
  if (result === -ERRNO.ENOENT) return undefined;
  if (result < 0) throw new SysError("statx", -result, nameText(name));
  return decode();
}

/** The open file `fd` (an O_PATH descriptor serves). */
export function statFd(fd: number): Stat {
  call("statx", `fd ${fd}`, libc.statx, fd, empty, AT_EMPTY_PATH, STATX_STAT, buffer);
  return decode();
}

/** Which directory `fd` is, as node's stat has the numbers: "dev:ino". */
export const directoryId = (fd: number): string => {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
};

/** When the open file `fd` was created, in nanoseconds since 1970; undefined where the filesystem does not say. */
export function btimeFd(fd: number): bigint | undefined {
  call("statx", `fd ${fd}`, libc.statx, fd, empty, AT_EMPTY_PATH, STATX_BTIME, buffer);
  return (buffer.readUInt32LE(STATX.stx_mask) & STATX_BTIME) === 0 ? undefined : time(STATX.stx_btime);
}

export const isDirectory = (stat: Stat): boolean => (stat.mode & S_IFMT) === S_IFDIR;
export const isSymlink = (stat: Stat): boolean => (stat.mode & S_IFMT) === S_IFLNK;
export const isRegular = (stat: Stat): boolean => (stat.mode & S_IFMT) === S_IFREG;

/** Whether nothing is mounted between the two. */
export const sameMount = (a: Stat, b: Stat): boolean => a.dev === b.dev && a.mount === b.mount;
