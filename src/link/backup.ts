// Files kept aside: a dated name beside the original, never over one that exists.
import { posix } from "node:path";
import { linkat, unlinkat } from "../sys/dir.ts";
import { isErrno } from "../sys/errno.ts";
import { cstr, nameText, type CName } from "../sys/name.ts";
import type { Place } from "../sys/walk.ts";
import { renameNew } from "./rename-new.ts";

const MARK = ".hmpersist-backup-";
const NAME_MAX = 255;
const TRIES = 100;
/** Of one link; older ones made by healing are dropped. */
const BACKUPS_KEPT = 3;

const pad = (value: number): string => String(value).padStart(2, "0");

function stamp(now: Date): string {
  const date = `${now.getFullYear()}-${pad(now.getMonth() + 1)}-${pad(now.getDate())}`;
  return `${date}T${pad(now.getHours())}-${pad(now.getMinutes())}-${pad(now.getSeconds())}`;
}

function backupName(name: CName, now: Date, attempt: number): CName {
  const suffix = Buffer.from(`${MARK}${stamp(now)}${attempt === 0 ? "" : `-${attempt + 1}`}`);
  let length = Math.min(name.length - 1, NAME_MAX - suffix.length);
  // Never cut a UTF-8 character in two.
  while (length < name.length - 1 && length > 0 && ((name[length] ?? 0) & 0xc0) === 0x80) length -= 1;
  return cstr(Buffer.concat([name.subarray(0, length), suffix]));
}

// `make` gets one name after another until one is free. Returns the absolute path.
function dated(place: Place, make: (name: CName) => void): string {
  const now = new Date();
  for (let attempt = 0; ; attempt += 1) {
    const name = backupName(place.name, now, attempt);
    try {
      make(name);
      return posix.join(posix.dirname(place.path), nameText(name));
    } catch (error) {
      if (!isErrno(error, "EEXIST") || attempt === TRIES) throw error;
    }
  }
}

/** Gives what is at `place` a second, dated name; where the filesystem has no hard links the first name is gone afterwards. */
export const keepAside = (place: Place): string =>
  dated(place, (name) => {
    try {
      linkat(place.dir, place.name, place.dir, name);
    } catch (error) {
      if (!isErrno(error, "EPERM", "EOPNOTSUPP", "ENOSYS", "EMLINK")) throw error;
      renameNew(place.dir, place.name, name);
    }
  });

/** Renames `from`, which lies in `place`'s directory, to a dated name of `place`. */
export const moveAside = (place: Place, from: CName): string => dated(place, (name) => renameNew(place.dir, from, name));

/** `backups` with one more, as far as they are remembered. */
export const withBackup = (backups: readonly string[], backup: string | undefined): readonly string[] =>
  backup === undefined ? backups : [...backups, backup].slice(-BACKUPS_KEPT);

/** Drops the oldest of `backups` beside `place` so that one more fits; those elsewhere are the user's business. */
export function pruneBackups(place: Place, backups: readonly string[]): void {
  const prefix = `${place.path}${MARK}`;
  const ours = backups.filter((path) => path.startsWith(prefix) && !path.slice(prefix.length).includes("/"));
  for (const path of ours.slice(0, Math.max(0, ours.length - BACKUPS_KEPT + 1))) {
    try {
      unlinkat(place.dir, cstr(posix.basename(path)));
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
}
