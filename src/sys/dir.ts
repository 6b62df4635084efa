// Calls that change names: every one takes a directory descriptor and a name, so a path is never walked twice.
import { AT_REMOVEDIR } from "./constants.ts";
import { call } from "./call.ts";
import { isErrno } from "./errno.ts";
import { libc } from "./libc.ts";
import { quotedName, type CName } from "./name.ts";

/** mkdirat(2); `mode` is subject to the umask. */
export const mkdirat = (dirfd: number, name: CName, mode: number): void =>
  void call("mkdirat", quotedName(name), libc.mkdirat, dirfd, name, mode);

/** unlinkat(2) of a file. */
export const unlinkat = (dirfd: number, name: CName): void => void call("unlinkat", quotedName(name), libc.unlinkat, dirfd, name, 0);

/** unlinkat(2) of an empty directory; ENOTEMPTY otherwise. */
export const rmdirat = (dirfd: number, name: CName): void => void call("rmdir", quotedName(name), libc.unlinkat, dirfd, name, AT_REMOVEDIR);

/** symlinkat(2): `name` in `dirfd` becomes a link with the text `target`. */
export const symlinkat = (target: CName, dirfd: number, name: CName): void =>
  void call("symlinkat", quotedName(name), libc.symlinkat, target, dirfd, name);

/** renameat2(2); `flags` are RENAME_*. ENOSYS/EINVAL where the filesystem lacks a flag. */
export const renameat2 = (olddirfd: number, oldname: CName, newdirfd: number, newname: CName, flags = 0): void =>
  void call("renameat2", quotedName(oldname), libc.renameat2, olddirfd, oldname, newdirfd, newname, flags);

/** Whether renameat2 failed for want of its flags: NFS and bindfs have none. */
export const lacksFlags = (error: unknown): boolean => isErrno(error, "EINVAL", "ENOSYS", "EOPNOTSUPP");

/** linkat(2): a second name for the same file; a symlink itself is linked, not what it names. EPERM where there are no hard links. */
export const linkat = (olddirfd: number, oldname: CName, newdirfd: number, newname: CName): void =>
  void call("linkat", quotedName(oldname), libc.linkat, olddirfd, oldname, newdirfd, newname, 0);

const LINK_MAX = 4096;

/** readlinkat(2): the link's text, without a NUL. EINVAL if `name` is no link. */
export function readlinkat(dirfd: number, name: CName): Buffer {
  const buffer = Buffer.alloc(LINK_MAX);
  const length = call("readlinkat", quotedName(name), libc.readlinkat, dirfd, name, buffer, LINK_MAX);
  return buffer.subarray(0, length);
}
