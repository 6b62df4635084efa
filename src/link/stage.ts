// The storage side of a healing: a complete copy under a private name, then a rename over the file. Until that rename nothing the user
// named has changed; a stage left by a SIGKILL is worthless and simply written anew.
import { O_CLOEXEC, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } from "../sys/constants.ts";
import { renameat2, unlinkat } from "../sys/dir.ts";
import { isErrno } from "../sys/errno.ts";
import { close, fsync, openat, openForReading } from "../sys/file.ts";
import type { CName } from "../sys/name.ts";
import { isDirectory, isRegular, statFd, type Stat } from "../sys/stat.ts";
import { keepAside, pruneBackups } from "./backup.ts";
import { copyData } from "./copy-data.ts";
import { isKnown, knownOf } from "./known.ts";
import { copyMetadata } from "./metadata.ts";
import { sameBytes } from "./observe.ts";
import { stageName } from "./private-name.ts";
import type { Known, Stored } from "./types.ts";
import { ParentError, statPlace, syncDirectory, type Place } from "../sys/walk.ts";

/** Copies the open file `fd` with everything it has to the stage of `place`, on disk. Returns what the storage cannot hold. */
export function writeStage(fd: number, stat: Stat, place: Place): string[] {
  const name = stageName(place.name);
  dropName(place.dir, name);
  const to = openat(place.dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600);
  try {
    copyData(fd, to, stat.size);
    const lost = copyMetadata(fd, stat, to);
    fsync(to);
    return lost;
  } catch (error) {
    // E.g. ENOSPC: what was written of it is wanted back.
    dropName(place.dir, name);
    throw error;
  } finally {
    close(to);
  }
}

export const dropStage = (place: Place): void => dropName(place.dir, stageName(place.name));

export interface Memory {
  readonly known: Known | undefined;
  readonly backups: readonly string[];
}

/**
 * Renames the stage to its file. What was there before is kept under a dated name if it is not what `memory` knows and not the same
 * content.
 */
export function storeStage(place: Place, memory: Memory): Stored {
  const name = stageName(place.name);
  const before = statPlace(place);
  if (before !== undefined && isDirectory(before)) throw new ParentError(`${place.path} is a directory`);
  let backup: string | undefined;
  if (before !== undefined && !(memory.known !== undefined && isKnown(before, memory.known)) && !sameAsStage(place, before)) {
    pruneBackups(place, memory.backups);
    backup = keepAside(place);
  }
  renameat2(place.dir, name, place.dir, place.name);
  syncDirectory(place.dir);
  const stored = statPlace(place);
  if (stored === undefined) throw new ParentError(`${place.path} was taken away while it was written`);
  return { known: knownOf(stored), backup };
}

function sameAsStage(place: Place, before: Stat): boolean {
  if (!isRegular(before)) return false;
  if (before.size === 0) return true;
  const fds: number[] = [];
  try {
    for (const name of [place.name, stageName(place.name)]) fds.push(openForReading(place.dir, name));
    const [a, b] = fds;
    return a !== undefined && b !== undefined && statFd(a).size === before.size && sameBytes(a, b);
  } finally {
    for (const fd of fds) close(fd);
  }
}

/** unlinkat(2) of what may be gone already. */
export function dropName(dir: number, name: CName): void {
  try {
    unlinkat(dir, name);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
