// Writing, removing and looking at the unit. Everything is said before and after, nothing is asked.
import { lstatSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { HmpersistError } from "../errors.ts";
import type { Place } from "./place.ts";

export interface Installed {
  readonly place: Place;
  readonly installed: boolean;
  readonly enabled: boolean;
}

/** Writes the unit and enables it. Returns whether anything changed. A unit somebody else wrote is refused. */
export function install(place: Place, text: string): boolean {
  const before = read(place.unit);
  if (before !== undefined && !isOurs(before)) {
    throw new HmpersistError(
      "HMP_CONFLICT",
      `${place.unit} was not written by hmpersist`,
      "Home Manager or the system's administrator has the service already: nothing is left to do, or remove that file first",
    );
  }
  // What all users share all users read, also where root's files are root's alone.
  if (place.scope === "system") process.umask(0o022);
  attempt(place, () => {
    mkdirSync(dirname(place.link), { recursive: true });
    if (before !== text) {
      writeFileSync(`${place.unit}.new`, text);
      renameSync(`${place.unit}.new`, place.unit);
    }
    if (!exists(place.link)) symlinkSync(relative(dirname(place.link), place.unit), place.link);
  });
  return before !== text;
}

/** Removes what `install` wrote; false if there was nothing. */
export function uninstall(place: Place): boolean {
  const before = read(place.unit);
  if (before === undefined) return false;
  if (!isOurs(before))
    throw new HmpersistError("HMP_CONFLICT", `${place.unit} was not written by hmpersist`, "remove it where it comes from");
  attempt(place, () => {
    rmSync(place.link, { force: true });
    rmdirUnlessUsed(dirname(place.link));
    rmSync(place.unit);
  });
  return true;
}

export const look = (place: Place): Installed => ({ place, installed: exists(place.unit), enabled: exists(place.link) });

function rmdirUnlessUsed(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Other units are wanted there, too; or it never was.
  }
}

const isOurs = (text: string): boolean => text.includes('"hmpersist service install"');

function read(path: string): string | undefined {
  try {
    // A link into a store is not ours to replace, whatever the text.
    return lstatSync(path).isFile() ? readFileSync(path, "utf8") : "";
  } catch {
    return undefined;
  }
}

/** Whether anything stands there; a link counts, even if it leads nowhere from here. */
export function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // A file where a directory should be, or one that may not be entered.
    return false;
  }
}

function attempt(place: Place, change: () => void): void {
  try {
    change();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new HmpersistError("HMP_ENVIRONMENT", message, hintFor(code, place), { cause: error });
  }
}

function hintFor(code: string, { scope, link }: Place): string {
  if (code === "ENOTDIR" || code === "EEXIST") return `${dirname(link)} and all above it must be directories: move away what is none`;
  if (code === "ENOSPC" || code === "EDQUOT") return "make room on that file system";
  return scope === "system" ? "run it as root" : "check the permissions of the directory";
}
