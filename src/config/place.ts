// Where an entry lies: path algebra on absolute, normalised paths, and the one rule that maps an entry to its source and target.
import type { Storage } from "./config.ts";

export const join = (directory: string, relative: string): string => (directory === "/" ? `/${relative}` : `${directory}/${relative}`);

/** Whether `path` is below `directory`, not `directory` itself. */
export const isBelow = (path: string, directory: string): boolean =>
  path.length > directory.length && path.startsWith(directory === "/" ? "/" : `${directory}/`);

export const isWithin = (path: string, directory: string): boolean => path === directory || isBelow(path, directory);

/** The directories above `path`, nearest first, without the root. */
export function ancestors(path: string): string[] {
  const found: string[] = [];
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) found.push(path.slice(0, at));
  return found;
}

/** `path` as seen from `directory`, which it is below. */
export const relativeTo = (directory: string, path: string): string => path.slice(directory === "/" ? 1 : directory.length + 1);

/** Where the entry `relative` lies in its storage. */
export const sourceOf = (storage: Storage, relative: string): string => join(storage.persistentStoragePath, relative);

/** Where the entry `relative` appears in the home: its own path, less the first component if the storage says so. */
export const targetOf = (home: string, storage: Storage, relative: string): string =>
  join(home, storage.removePrefixDirectory ? relative.slice(relative.indexOf("/") + 1) : relative);
