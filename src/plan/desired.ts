// Configuration -> what is wanted: mounts with parents before children, links, and the entries that can never be carried out by this
// user. Pure.
import type { Config, DirectoryEntry, FileEntry, Storage } from "../config/config.ts";
import { ancestors, sourceOf, targetOf } from "../config/place.ts";
import type { Desired, LinkSpec, MountSpec, Refusal } from "./types.ts";

/** What cannot be read from the configuration: whether root asks. */
export interface DesiredFacts {
  readonly root: boolean;
}

/** Nested mounts that fusermount3 could not make, and bind mounts, are refused unless root asks. */
export function makeDesired(config: Config, facts: DesiredFacts): Desired {
  const refusals: Refusal[] = [];
  const { storages, home } = config;
  const all = storages.flatMap((storage) =>
    storage.directories.flatMap((entry) => (entry.method === "symlink" ? [] : [mountSpec(home, storage, entry, entry.method)])),
  );
  const mounts: MountSpec[] = [];
  const wanted = new Map<string, MountSpec>();
  const refused = new Set<string>();
  for (const spec of all.sort(byTarget)) {
    const outer = ancestors(spec.target).find((path) => wanted.has(path) || refused.has(path));
    const refusal = refuse(spec, outer, outer === undefined ? undefined : wanted.get(outer), facts);
    if (refusal === undefined) {
      mounts.push(spec);
      wanted.set(spec.target, spec);
    } else {
      refusals.push(refusal);
      refused.add(spec.target);
    }
  }
  const links = storages.flatMap((storage) => [
    ...storage.directories.flatMap((entry) => (entry.method === "symlink" ? [directoryLink(home, storage, entry)] : [])),
    ...storage.files.map((entry) => fileLink(home, storage, entry)),
  ]);
  return { home, mounts, links: links.sort(byTarget), refusals };
}

// A byte order in which a directory always precedes what is below it, and which does not depend on the order of writing.
export const byTarget = (a: { readonly target: string }, b: { readonly target: string }): number =>
  a.target < b.target ? -1 : a.target > b.target ? 1 : 0;

function refuse(spec: MountSpec, outer: string | undefined, mounted: MountSpec | undefined, { root }: DesiredFacts): Refusal | undefined {
  const { target, source, option } = spec;
  if (spec.method === "bind" && !root) {
    return { target, source, option, reason: "a bind mount needs root", hint: 'use method "fuse"' };
  }
  if (outer === undefined || root) return undefined;
  if (mounted === undefined) {
    return { target, source, option, reason: `${outer}, which it lies in, is refused`, hint: "see there" };
  }
  // fusermount3 is set-uid root, and a FUSE mount lets in nobody whose effective uid is another's, root included.
  if (mounted.method === "fuse" && !mounted.allowOther) {
    const hint = `set allowOther for the storage of ${mounted.option}, or keep both in one storage`;
    return { target, source, option, reason: `fusermount3 cannot mount inside of ${outer}, a mount without allowOther`, hint };
  }
  return undefined;
}

/** What mounts and links have in common; `path` is the entry's. */
const placed = (home: string, storage: Storage, { parentMode, option }: DirectoryEntry | FileEntry, path: string) => ({
  source: sourceOf(storage, path),
  target: targetOf(home, storage, path),
  storage: storage.persistentStoragePath,
  parentMode,
  option,
});

function mountSpec(home: string, storage: Storage, entry: DirectoryEntry, method: MountSpec["method"]): MountSpec {
  return {
    ...placed(home, storage, entry, entry.directory),
    kind: "mount",
    method,
    mode: entry.mode,
    cache: entry.cache,
    allowOther: storage.allowOther,
    onNonEmpty: entry.onNonEmpty,
    hideMount: entry.hideMount,
    allowTrash: entry.allowTrash,
  };
}

function directoryLink(home: string, storage: Storage, entry: DirectoryEntry): LinkSpec {
  const onConflict = entry.onNonEmpty === "adopt" ? "adopt" : "refuse";
  return { ...placed(home, storage, entry, entry.directory), kind: "link", what: "directory", mode: entry.mode, onConflict };
}

function fileLink(home: string, storage: Storage, entry: FileEntry): LinkSpec {
  const { parentMode, onConflict } = entry;
  return { ...placed(home, storage, entry, entry.file), kind: "link", what: "file", mode: parentMode, onConflict };
}
