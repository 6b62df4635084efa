// Everything a file has beside its bytes, carried over to a copy: owner, permissions, ACLs and other extended attributes, times.
import { ERRNO, SysError } from "../sys/errno.ts";
import { chmodFd, chownFd, getXattr, listXattrs, removeXattr, setXattr } from "../sys/fd-path.ts";
import { cstr, nameText, type CName } from "../sys/name.ts";
import { statFd, type Stat } from "../sys/stat.ts";
import { utimensFd } from "../sys/times.ts";

const ACLS = new Set(["system.posix_acl_access", "system.posix_acl_default"]);
/** Labels are the storage's policy, not the file's content. */
const NOT_COPIED = new Set(["security.selinux", "security.ima", "security.evm", "security.apparmor"]);

export const isAcl = (name: CName): boolean => ACLS.has(nameText(name));

export const isCopied = (name: CName): boolean => !NOT_COPIED.has(nameText(name));

/** Carries everything over to the open file `to`. Returns what the storage cannot hold, in words. */
export function copyMetadata(from: number, stat: Stat, to: number): string[] {
  const lost = copyAttributes(from, stat, to);
  utimensFd(to, stat.atimeNs, stat.mtimeNs);
  return lost;
}

/** All of it but the times; `to` may be open by O_PATH. */
export function copyAttributes(from: number, stat: Stat, to: number): string[] {
  const lost: string[] = [];
  if (!allowed(() => chownFd(to, stat.uid, stat.gid))) lost.push(`owner ${stat.uid}:${stat.gid}`);
  // A default ACL of the storage's directory gave the copy what the original does not have.
  for (const name of ACLS) removeXattr(to, cstr(name));
  const names = listXattrs(from).filter((name) => isCopied(name));
  // Before chmod: what is read-only for its owner takes no attribute of the user's.
  const users = names.filter((name) => nameText(name).startsWith("user."));
  lost.push(...copyXattrs(from, to, users));
  // After chown, which clears set-uid; before the ACL, whose mask is the group's permission.
  const mode = stat.mode & 0o7777;
  // Some filesystems pass over it in silence.
  if (!allowed(() => chmodFd(to, mode)) || (statFd(to).mode & 0o7777) !== mode) lost.push(`permissions ${mode.toString(8)}`);
  lost.push(
    ...copyXattrs(
      from,
      to,
      names.filter((name) => !users.includes(name)),
    ),
  );
  return lost;
}

// Returns those that the storage cannot hold.
const copyXattrs = (from: number, to: number, names: readonly CName[]): string[] =>
  names
    .filter((name) => {
      const value = getXattr(from, name);
      return value !== undefined && setXattr(to, name, value) < 0;
    })
    .map((name) => `attribute ${nameText(name)}`);

// Only root may give files away; for everybody else the file is theirs already. Not every filesystem has permissions.
function allowed(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof SysError && [ERRNO.EPERM as number, ERRNO.EINVAL, ERRNO.EOPNOTSUPP].includes(error.errno)) return false;
    throw error;
  }
}
