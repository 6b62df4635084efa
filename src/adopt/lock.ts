// One adoption of an entry at a time: an flock on a file beside the journal. The kernel drops it with the process, so it is never stale.
import { LOCK_EX, LOCK_NB, O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_RDWR } from "../sys/constants.ts";
import { raw } from "../sys/call.ts";
import { ERRNO, SysError } from "../sys/errno.ts";
import { close, openat } from "../sys/file.ts";
import { libc } from "../sys/libc.ts";
import { printable } from "../sys/text.ts";
import { statAt, statFd } from "../sys/stat.ts";
import type { Place } from "../sys/walk.ts";
import { HmpersistError } from "../errors.ts";
import { sameInode } from "../link/known.ts";
import { adoptLockName } from "../link/private-name.ts";

/**
 * Takes the lock of what is adopted to `source`.
 * @returns what gives it back
 * @throws HmpersistError HMP_BUSY if another process, or thread, has it
 */
export function lockAdoption(source: Place): () => void {
  const name = adoptLockName(source.name);
  for (;;) {
    const fd = openat(source.dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600);
    const result = raw(libc.flock, fd, LOCK_EX | LOCK_NB);
    const now = result < 0 ? undefined : statAt(source.dir, name);
    if (now !== undefined && sameInode(now, statFd(fd))) {
      return () => {
        // One that stays is taken by the next run.
        raw(libc.unlinkat, source.dir, name, 0);
        close(fd);
      };
    }
    close(fd);
    // Whoever had it before has removed its file meanwhile.
    if (result >= 0) continue;
    if (result !== -ERRNO.EAGAIN) throw new SysError("flock", -result, source.path);
    throw new HmpersistError("HMP_BUSY", printable(`${source.path} is being adopted by another process`), "wait for it to end");
  }
}
