// How far an adoption has come, for whoever finishes it after a SIGKILL. It exists from the moment all data is verified on disk in
// storage until the original is gone; without it nothing in the home has been touched.
import { O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_RDONLY, O_TRUNC, O_WRONLY } from "../sys/constants.ts";
import { renameat2, unlinkat } from "../sys/dir.ts";
import { isErrno } from "../sys/errno.ts";
import { close, fsync, openat, pread, pwriteAll } from "../sys/file.ts";
import { cstr, nameText } from "../sys/name.ts";
import { statFd } from "../sys/stat.ts";
import { adoptJournalName } from "../link/private-name.ts";
import { syncDirectory, type Place } from "../sys/walk.ts";

export interface Entry {
  /** "stored": the copy is complete; "removing": the original is being removed. */
  readonly phase: "stored" | "removing";
  readonly target: string;
  /** Files of the original whose ctime is later were changed after they were compared with the copy. */
  readonly verifiedNs: string;
  /** Inode numbers of the original's directories: any other was moved in later. */
  readonly directories: readonly string[];
}

export function readJournal(source: Place): Entry | undefined {
  try {
    const fd = openat(source.dir, adoptJournalName(source.name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    try {
      const buffer = Buffer.alloc(statFd(fd).size);
      return JSON.parse(buffer.toString("utf8", 0, pread(fd, buffer, buffer.length, 0))) as Entry;
    } finally {
      close(fd);
    }
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Replaces the entry as a whole, on disk when it returns. */
export function writeJournal(source: Place, entry: Entry): void {
  const name = adoptJournalName(source.name);
  const temporary = cstr(`${nameText(name)}.new`);
  const fd = openat(source.dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600);
  try {
    pwriteAll(fd, Buffer.from(JSON.stringify(entry)), 0);
    fsync(fd);
  } finally {
    close(fd);
  }
  renameat2(source.dir, temporary, source.dir, name);
  syncDirectory(source.dir);
}

export function dropJournal(source: Place): void {
  try {
    unlinkat(source.dir, adoptJournalName(source.name));
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
