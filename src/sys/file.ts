// Calls on one open file. Sizes and offsets are bytes; failures throw SysError with the man page's errno.
import { call } from "./call.ts";
import { F_DUPFD_CLOEXEC, O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from "./constants.ts";
import { libc } from "./libc.ts";
import { quotedName, type CName } from "./name.ts";

/** openat(2); `mode` matters with O_CREAT and O_TMPFILE and is subject to the umask. Returns the descriptor. */
export const openat = (dirfd: number, name: CName, flags: number, mode = 0): number =>
  call("openat", quotedName(name), libc.openat, dirfd, name, flags, mode);

/** Opens a file for reading, whatever stands there by now: a link is not followed (ELOOP), a fifo is not waited for. `flags` are more of them. */
export const openForReading = (dirfd: number, name: CName, flags = 0): number =>
  openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags);

/** close(2); the descriptor is gone whatever it answers. */
export const close = (fd: number): void => void call("close", `fd ${fd}`, libc.close, fd);
/** A close-on-exec duplicate. */
export const dup = (fd: number): number => call("fcntl", `fd ${fd}`, libc.fcntl, fd, F_DUPFD_CLOEXEC, 0);
/** fsync(2); waits for the disk. EINVAL for what cannot be synced. */
export const fsync = (fd: number): void => void call("fsync", `fd ${fd}`, libc.fsync, fd);
/** ftruncate(2) to `length` bytes. */
export const ftruncate = (fd: number, length: number): void => void call("ftruncate", `fd ${fd}`, libc.ftruncate, fd, length);

/** pread(2): up to `count` bytes at `offset` into `buffer`; 0 at the end of the file. */
export const pread = (fd: number, buffer: Uint8Array, count: number, offset: number): number =>
  call("pread", `fd ${fd}`, libc.pread, fd, buffer, count, offset);

/** pwrite(2) until all of `buffer` is written; a short write goes on where it stopped. */
export function pwriteAll(fd: number, buffer: Uint8Array, offset: number): void {
  let done = 0;
  while (done < buffer.length) {
    done += call("pwrite", `fd ${fd}`, libc.pwrite, fd, buffer.subarray(done), buffer.length - done, offset + done);
  }
}
