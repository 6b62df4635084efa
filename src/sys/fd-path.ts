// Calls that Linux lacks for an O_PATH descriptor, made through its name in /proc/self/fd: the kernel jumps to the open file itself,
// so no path is walked and no link followed. proc_pid_fd(5).
import { AT_FDCWD } from "./constants.ts";
import { call, raw } from "./call.ts";
import { ERRNO, SysError } from "./errno.ts";
import { libc } from "./libc.ts";
import { cstr, type CName } from "./name.ts";

const XATTR_LIST_MAX = 65_536;
const XATTR_SIZE_MAX = 65_536;

/** A path that names the open file `fd` itself. */
export const fdPath = (fd: number): string => `/proc/self/fd/${fd}`;

/** fchmod(2) that serves an O_PATH descriptor too. */
export const chmodFd = (fd: number, mode: number): void =>
  void call("fchmodat", `fd ${fd}`, libc.fchmodat, AT_FDCWD, cstr(fdPath(fd)), mode, 0);

/** fchown(2) likewise. */
export const chownFd = (fd: number, uid: number, gid: number): void =>
  void call("fchownat", `fd ${fd}`, libc.fchownat, AT_FDCWD, cstr(fdPath(fd)), uid, gid, 0);

/** Names of the extended attributes, ACLs among them; none where the filesystem has no such thing. */
export function listXattrs(fd: number): CName[] {
  const list = Buffer.alloc(XATTR_LIST_MAX);
  const length = raw(libc.listxattr, cstr(fdPath(fd)), list, XATTR_LIST_MAX);
  if (length === -ERRNO.EOPNOTSUPP) return [];
  if (length < 0) throw new SysError("listxattr", -length);
  const names: CName[] = [];
  for (let from = 0; from < length;) {
    const end = list.indexOf(0, from);
    names.push(cstr(list.subarray(from, end)));
    from = end + 1;
  }
  return names;
}

/** The value of one attribute; undefined if it is gone or hidden. */
export function getXattr(fd: number, name: CName): Buffer | undefined {
  const value = Buffer.alloc(XATTR_SIZE_MAX);
  const length = raw(libc.getxattr, cstr(fdPath(fd)), name, value, XATTR_SIZE_MAX);
  return length < 0 ? undefined : value.subarray(0, length);
}

/** setxattr(2); returns 0 or -errno, since what a refusal means depends on the attribute. */
export const setXattr = (fd: number, name: CName, value: Uint8Array): number =>
  raw(libc.setxattr, cstr(fdPath(fd)), name, value, value.length, 0);

/** removexattr(2); returns 0 or -errno. */
export const removeXattr = (fd: number, name: CName): number => raw(libc.removexattr, cstr(fdPath(fd)), name);
