// struct linux_dirent64 (getdents64(2)) in, struct fuse_dirent and fuse_direntplus out. The entries of getdents64 are only 8-byte
// aligned as a whole, which their 64-bit fields are too: both are read as words.
import { fuse_dirent, fuse_direntplus, fuse_entry_out } from "../abi/structs.ts";
import type { Memory } from "./memory.ts";

/** Offsets in struct linux_dirent64. */
export const D = { ino: 0, off: 8, reclen: 16, type: 18, name: 19 } as const;

const align = (size: number): number => (size + 7) & ~7;
/** Bytes that an entry takes in a reply, with a name of `length` bytes. */
export const direntSize = (length: number): number => align(fuse_dirent.SIZE + length);
export const direntplusSize = (length: number): number => align(fuse_direntplus.SIZE + length);

/** A fuse_dirent at `at`, of the linux_dirent64 at `entry`, whose name has `length` bytes. */
export function putDirent(mem: Memory, at: number, entry: number, length: number): void {
  const { bytes } = mem;
  mem.copyLong(at + fuse_dirent.ino, entry + D.ino);
  mem.copyLong(at + fuse_dirent.off, entry + D.off);
  mem.setWord(at + fuse_dirent.namelen, length);
  mem.setWord(at + fuse_dirent.type, bytes[entry + D.type] as number);
  const to = at + fuse_dirent.SIZE;
  bytes.copyWithin(to, entry + D.name, entry + D.name + length);
  bytes.fill(0, to + length, align(to + length));
}

/** The fuse_entry_out of a fuse_direntplus at `at` that has no node. */
export const putDotEntry = (mem: Memory, at: number): void => mem.clear(at, fuse_entry_out.SIZE);

/** Whether the name at byte `name` is "." or "..". */
export const isDot = (mem: Memory, name: number, length: number): boolean =>
  mem.bytes[name] === 0x2e && (length === 1 || (length === 2 && mem.bytes[name + 1] === 0x2e));
