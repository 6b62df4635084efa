// Read leases, fcntl(2) F_SETLEASE: the only way to ask the kernel whether anybody has a file open for writing, without looking at
// every process. While one is held, whoever opens the file for writing waits (at most /proc/sys/fs/lease-break-time, 45 s).
import { F_GETLEASE, F_RDLCK, F_SETLEASE, F_SETSIG, F_UNLCK } from "./constants.ts";
import { raw } from "./call.ts";
import { ERRNO } from "./errno.ts";
import { libc } from "./libc.ts";

/** Sent instead of SIGIO, whose default ends the process; this one is ignored by default. */
const SIGURG = 23;

/**
 * Takes a read lease on `fd`, which must be open for reading only. "writer": somebody has the file open for writing; "unsupported":
 * the filesystem has no leases, or the file belongs to another user.
 */
export function takeReadLease(fd: number): "taken" | "writer" | "unsupported" {
  raw(libc.fcntl, fd, F_SETSIG, SIGURG);
  const result = raw(libc.fcntl, fd, F_SETLEASE, F_RDLCK);
  if (result === -ERRNO.EAGAIN) return "writer";
  return result < 0 ? "unsupported" : "taken";
}

/** False once somebody waits to open the file for writing. */
export const leaseStands = (fd: number): boolean => raw(libc.fcntl, fd, F_GETLEASE, 0) === F_RDLCK;

/** Gives a lease back; closing the descriptor does too. */
export const dropLease = (fd: number): void => void raw(libc.fcntl, fd, F_SETLEASE, F_UNLCK);
