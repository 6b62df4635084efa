// A rename that replaces nothing, in every filesystem.
import { RENAME_NOREPLACE } from "../sys/constants.ts";
import { lacksFlags, linkat, renameat2, unlinkat } from "../sys/dir.ts";
import { ERRNO, isErrno, SysError } from "../sys/errno.ts";
import type { CName } from "../sys/name.ts";
import { statAt } from "../sys/stat.ts";

/**
 * Renames `from`, a name that is ours, to `to` in the same directory; EEXIST if that is taken. Where there is no RENAME_NOREPLACE (NFS,
 * bindfs) what is renamed has both names for a moment.
 */
export function renameNew(dir: number, from: CName, to: CName): void {
  try {
    renameat2(dir, from, dir, to, RENAME_NOREPLACE);
  } catch (error) {
    if (!lacksFlags(error)) throw error;
    renameByLink(dir, from, to);
  }
}

function renameByLink(dir: number, from: CName, to: CName): void {
  try {
    linkat(dir, from, dir, to);
    unlinkat(dir, from);
  } catch (error) {
    // A directory, or no hard links either.
    if (!isErrno(error, "EPERM", "ENOSYS", "EOPNOTSUPP", "EMLINK")) throw error;
    if (statAt(dir, to) !== undefined) throw new SysError("renameat2", ERRNO.EEXIST);
    renameat2(dir, from, dir, to);
  }
}
