// Writes replies: attributes are copied word by word from a struct statx, with no object and no rounding between (ino, times).
import { STATX } from "../../sys/stat.ts";
import {
  fuse_attr,
  fuse_attr_out,
  fuse_entry_out,
  fuse_open_out,
  fuse_statfs_out,
  fuse_kstatfs,
  fuse_statx,
  fuse_statx_out,
  fuse_sx_time,
} from "../abi/structs.ts";
import { STATFS_AT, STATX_AT, type Memory } from "./memory.ts";

/** How long the kernel may believe a name or attributes, in whole seconds and nanoseconds. */
export interface Timeout {
  readonly sec: number;
  readonly nsec: number;
}

/** new_encode_dev of include/linux/kdev_t.h: the 32-bit device number of the protocol. */
export const encodeDev = (major: number, minor: number): number => ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;

/** The file at STATX_AT as a fuse_attr at `at`. */
export function putAttr(mem: Memory, at: number): void {
  const { u32 } = mem;
  const a = at >>> 2;
  const x = STATX_AT >>> 2;
  mem.copyLong(at + fuse_attr.ino, STATX_AT + STATX.stx_ino);
  mem.copyLong(at + fuse_attr.size, STATX_AT + STATX.stx_size);
  mem.copyLong(at + fuse_attr.blocks, STATX_AT + STATX.stx_blocks);
  mem.copyLong(at + fuse_attr.atime, STATX_AT + STATX.stx_atime);
  mem.copyLong(at + fuse_attr.mtime, STATX_AT + STATX.stx_mtime);
  mem.copyLong(at + fuse_attr.ctime, STATX_AT + STATX.stx_ctime);
  u32[a + fuse_attr.atimensec / 4] = u32[x + (STATX.stx_atime + 8) / 4] as number;
  u32[a + fuse_attr.mtimensec / 4] = u32[x + (STATX.stx_mtime + 8) / 4] as number;
  u32[a + fuse_attr.ctimensec / 4] = u32[x + (STATX.stx_ctime + 8) / 4] as number;
  u32[a + fuse_attr.mode / 4] = (u32[x + STATX.stx_mode / 4] as number) & 0xffff;
  u32[a + fuse_attr.nlink / 4] = u32[x + STATX.stx_nlink / 4] as number;
  u32[a + fuse_attr.uid / 4] = u32[x + STATX.stx_uid / 4] as number;
  u32[a + fuse_attr.gid / 4] = u32[x + STATX.stx_gid / 4] as number;
  u32[a + fuse_attr.rdev / 4] = encodeDev(u32[x + STATX.stx_rdev_major / 4] as number, u32[x + STATX.stx_rdev_minor / 4] as number);
  u32[a + fuse_attr.blksize / 4] = u32[x + STATX.stx_blksize / 4] as number;
  u32[a + fuse_attr.flags / 4] = 0;
}

/** A fuse_entry_out at `at`, for the file at STATX_AT. */
export function putEntry(mem: Memory, at: number, nodeid: number, generation: number, timeout: Timeout): void {
  mem.setLong(at + fuse_entry_out.nodeid, nodeid);
  mem.setLong(at + fuse_entry_out.generation, generation);
  mem.setLong(at + fuse_entry_out.entry_valid, timeout.sec);
  mem.setLong(at + fuse_entry_out.attr_valid, timeout.sec);
  mem.setWord(at + fuse_entry_out.entry_valid_nsec, timeout.nsec);
  mem.setWord(at + fuse_entry_out.attr_valid_nsec, timeout.nsec);
  putAttr(mem, at + fuse_entry_out.attr);
}

/** "There is no such name", which the kernel may believe for a while: an entry with node 0. */
export function putNegativeEntry(mem: Memory, at: number, timeout: Timeout): void {
  mem.clear(at, fuse_entry_out.SIZE);
  mem.setLong(at + fuse_entry_out.entry_valid, timeout.sec);
  mem.setWord(at + fuse_entry_out.entry_valid_nsec, timeout.nsec);
}

/** A fuse_attr_out at `at`, for the file at STATX_AT. */
export function putAttrOut(mem: Memory, at: number, timeout: Timeout): void {
  mem.setLong(at + fuse_attr_out.attr_valid, timeout.sec);
  mem.setWord(at + fuse_attr_out.attr_valid_nsec, timeout.nsec);
  mem.setWord(at + fuse_attr_out.dummy, 0);
  putAttr(mem, at + fuse_attr_out.attr);
}

/** A fuse_open_out at `at`; `flags` are FOPEN_*, `backing` is the id of the kernel's backing file or 0. */
export function putOpen(mem: Memory, at: number, fh: number, flags: number, backing: number): void {
  mem.setLong(at + fuse_open_out.fh, fh);
  mem.setWord(at + fuse_open_out.open_flags, flags);
  mem.setWord(at + fuse_open_out.backing_id, backing);
}

function putTime(mem: Memory, to: number, from: number): void {
  mem.copyLong(to + fuse_sx_time.tv_sec, from);
  mem.setWord(to + fuse_sx_time.tv_nsec, mem.word(from + 8));
  mem.setWord(to + fuse_sx_time.__reserved, 0);
}

/** A fuse_statx_out at `at`, for the file at STATX_AT. struct statx and struct fuse_statx differ after `mode` only in the device fields' place; still field by field, by name. */
export function putStatx(mem: Memory, at: number, timeout: Timeout): void {
  mem.clear(at, fuse_statx_out.SIZE);
  mem.setLong(at + fuse_statx_out.attr_valid, timeout.sec);
  mem.setWord(at + fuse_statx_out.attr_valid_nsec, timeout.nsec);
  const to = at + fuse_statx_out.stat;
  const x = STATX_AT;
  mem.setWord(to + fuse_statx.mask, mem.word(x + STATX.stx_mask));
  mem.setWord(to + fuse_statx.blksize, mem.word(x + STATX.stx_blksize));
  mem.copyLong(to + fuse_statx.attributes, x + STATX.stx_attributes);
  mem.copyLong(to + fuse_statx.attributes_mask, x + STATX.stx_attributes_mask);
  mem.setWord(to + fuse_statx.nlink, mem.word(x + STATX.stx_nlink));
  mem.setWord(to + fuse_statx.uid, mem.word(x + STATX.stx_uid));
  mem.setWord(to + fuse_statx.gid, mem.word(x + STATX.stx_gid));
  mem.setWord(to + fuse_statx.mode, mem.word(x + STATX.stx_mode) & 0xffff);
  mem.copyLong(to + fuse_statx.ino, x + STATX.stx_ino);
  mem.copyLong(to + fuse_statx.size, x + STATX.stx_size);
  mem.copyLong(to + fuse_statx.blocks, x + STATX.stx_blocks);
  putTime(mem, to + fuse_statx.atime, x + STATX.stx_atime);
  putTime(mem, to + fuse_statx.btime, x + STATX.stx_btime);
  putTime(mem, to + fuse_statx.ctime, x + STATX.stx_ctime);
  putTime(mem, to + fuse_statx.mtime, x + STATX.stx_mtime);
  mem.setWord(to + fuse_statx.rdev_major, mem.word(x + STATX.stx_rdev_major));
  mem.setWord(to + fuse_statx.rdev_minor, mem.word(x + STATX.stx_rdev_minor));
}

/** Offsets in struct statfs, statfs(2), on 64-bit Linux. */
export const STATFS = {
  f_type: 0,
  f_bsize: 8,
  f_blocks: 16,
  f_bfree: 24,
  f_bavail: 32,
  f_files: 40,
  f_ffree: 48,
  f_namelen: 64,
  f_frsize: 72,
};

/** The struct statfs at STATFS_AT as a fuse_statfs_out. */
export function putStatfs(mem: Memory, at: number): void {
  mem.clear(at, fuse_statfs_out.SIZE);
  mem.copyLong(at + fuse_kstatfs.blocks, STATFS_AT + STATFS.f_blocks);
  mem.copyLong(at + fuse_kstatfs.bfree, STATFS_AT + STATFS.f_bfree);
  mem.copyLong(at + fuse_kstatfs.bavail, STATFS_AT + STATFS.f_bavail);
  mem.copyLong(at + fuse_kstatfs.files, STATFS_AT + STATFS.f_files);
  mem.copyLong(at + fuse_kstatfs.ffree, STATFS_AT + STATFS.f_ffree);
  mem.setWord(at + fuse_kstatfs.bsize, mem.word(STATFS_AT + STATFS.f_bsize));
  mem.setWord(at + fuse_kstatfs.namelen, mem.word(STATFS_AT + STATFS.f_namelen));
  mem.setWord(at + fuse_kstatfs.frsize, mem.word(STATFS_AT + STATFS.f_frsize));
}
