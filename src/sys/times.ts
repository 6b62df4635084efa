// utimensat(2) with whole nanoseconds.
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "./constants.ts";
import { call } from "./call.ts";
import { fdPath } from "./fd-path.ts";
import { libc } from "./libc.ts";
import { cstr, type CName } from "./name.ts";

const SECOND = 1_000_000_000n;

function timespecs(atimeNs: bigint, mtimeNs: bigint): Buffer {
  const times = Buffer.alloc(32);
  [atimeNs, mtimeNs].forEach((ns, index) => {
    // Times before 1970 have negative seconds and a positive fraction.
    const fraction = ((ns % SECOND) + SECOND) % SECOND;
    times.writeBigInt64LE((ns - fraction) / SECOND, index * 16);
    times.writeBigInt64LE(fraction, index * 16 + 8);
  });
  return times;
}

/** Sets both times of `name` in `dirfd`, not following a link. */
export const utimensAt = (dirfd: number, name: CName, atimeNs: bigint, mtimeNs: bigint): void =>
  void call("utimensat", undefined, libc.utimensat, dirfd, name, timespecs(atimeNs, mtimeNs), AT_SYMLINK_NOFOLLOW);

/** Sets both times of the open file `fd`; glibc's utimensat(3) refuses the null name that futimens(2) stands for. */
export const utimensFd = (fd: number, atimeNs: bigint, mtimeNs: bigint): void =>
  void call("utimensat", `fd ${fd}`, libc.utimensat, AT_FDCWD, cstr(fdPath(fd)), timespecs(atimeNs, mtimeNs), 0);
