// getdents64(2): directory entries straight out of the kernel's buffer, so that a directory of a million names costs one buffer and
// no array. struct linux_dirent64: ino u64, off s64, reclen u16, type u8, name up to its NUL.
import { raw } from "./call.ts";
import { libc } from "./libc.ts";

export const DIRENT = { reclen: 16, type: 18, name: 19 } as const;

/** Fills `buffer` with the next entries of the directory `fd`: the bytes filled, 0 at the end, or -errno. */
export const getdents = (fd: number, buffer: Uint8Array): number => raw(libc.getdents64, fd, buffer, buffer.length);
