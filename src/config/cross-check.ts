// Entries checked against each other: two for one target, one below another, a target over a storage. What another entry makes
// redundant is dropped with a note; everything else that cannot be carried out as written is a problem.
import type { Config, DirectoryEntry, FileEntry, Storage } from "./config.ts";
import { ancestors, isBelow, join, relativeTo, sourceOf, targetOf } from "./place.ts";
import type { Problem } from "./problems.ts";

interface Placed {
  readonly entry: DirectoryEntry | FileEntry;
  readonly source: string;
  readonly target: string;
  readonly kind: "file" | "link" | "mount";
}

/** The storages without redundant entries, and a note on each of those; what cannot be carried out is added to `problems`. */
export function crossCheck(config: Config, problems: Problem[]): Pick<Config, "storages" | "notes"> {
  const refuse = ({ entry }: Placed, problem: string, wayOut: string): unknown => problems.push({ option: entry.option, problem, wayOut });
  const placed = placeAll(config);
  const byTarget = withoutDuplicates(placed, refuse);
  const dropped = new Set<DirectoryEntry | FileEntry>();
  const notes: string[] = [];
  // Parents first, so that an outer entry is known to be dropped before what is below it asks.
  for (const inner of [...byTarget.values()].sort((a, b) => a.target.length - b.target.length)) {
    const outer = ancestors(inner.target)
      .map((path) => byTarget.get(path))
      .find((found) => found !== undefined && !dropped.has(found.entry));
    if (outer === undefined) continue;
    if (outer.kind !== "file" && inner.kind !== "file" && isRedundant(inner, outer)) {
      dropped.add(inner.entry);
      notes.push(`${inner.entry.option}: ${outer.entry.option} brings ${outer.target} back, and this with it; passed over`);
    } else checkNesting(inner, outer, refuse);
  }
  checkStorages(config, [...byTarget.values()], refuse);
  notes.push(...unitNotes(config, [...byTarget.values()]));
  const keep = (entry: DirectoryEntry | FileEntry): boolean => !dropped.has(entry);
  const storages = config.storages.map((storage) => ({ ...storage, directories: storage.directories.filter(keep) }));
  return { storages, notes };
}

type Refuse = (placed: Placed, problem: string, wayOut: string) => void;

function placeAll(config: Config): Placed[] {
  const place = (storage: Storage, entry: DirectoryEntry | FileEntry, path: string, kind: Placed["kind"]): Placed => ({
    entry,
    source: sourceOf(storage, path),
    target: targetOf(config.home, storage, path),
    kind,
  });
  return config.storages.flatMap((storage) => [
    ...storage.directories.map((entry) => place(storage, entry, entry.directory, entry.method === "symlink" ? "link" : "mount")),
    ...storage.files.map((entry) => place(storage, entry, entry.file, "file")),
  ]);
}

function withoutDuplicates(placed: readonly Placed[], refuse: Refuse): Map<string, Placed> {
  const byTarget = new Map<string, Placed>();
  for (const one of placed) {
    const first = byTarget.get(one.target);
    if (first === undefined) byTarget.set(one.target, one);
    else if (first.source === one.source && first.kind === one.kind)
      refuse(one, `listed twice: ${first.entry.option} is the same`, "remove one of them");
    else refuse(one, `${one.target} belongs to ${first.entry.option} already`, "remove one of them");
  }
  return byTarget;
}

// The same place of the same storage: with the outer one in the home the inner one is there, too.
const isRedundant = (inner: Placed, outer: Placed): boolean => inner.source === join(outer.source, relativeTo(outer.target, inner.target));

function checkNesting(inner: Placed, outer: Placed, refuse: Refuse): void {
  const where = `${inner.target} is below ${outer.target}`;
  const name = outer.entry.option;
  if (outer.kind === "file")
    return refuse(inner, `${where}, which ${name} lists as a file`, "list that one as a directory, or remove one of them");
  if (inner.kind === "file" && isRedundant(inner, outer)) {
    return refuse(inner, `${where}, which ${name} brings back whole`, "remove this entry: the directory holds the file");
  }
  if (outer.kind === "link") {
    return refuse(
      inner,
      `${where}, which ${name} makes a link: this would land in that storage`,
      'give the outer directory the method "fuse"',
    );
  }
  if (inner.kind === "file") {
    return refuse(
      inner,
      `${where}, which ${name} mounts: the link would land in that storage`,
      "move the file into the storage of the directory and remove this entry",
    );
  }
  if (inner.kind === "link") {
    return refuse(inner, `${where}, which ${name} mounts: the link would land in that storage`, 'give this entry the method "fuse"');
  }
}

function checkStorages(config: Config, placed: readonly Placed[], refuse: Refuse): void {
  const roots = new Map<string, string>();
  for (const storage of config.storages) {
    for (const path of [storage.persistentStoragePath, ...ancestors(storage.persistentStoragePath)])
      roots.set(path, storage.persistentStoragePath);
  }
  // Only a source within the home can be hidden by a target, which is always below the home.
  for (const { source } of placed) {
    if (!isBelow(source, config.home)) continue;
    for (const path of [source, ...ancestors(source)]) if (!roots.has(path)) roots.set(path, source);
  }
  const served = new Map(placed.filter(({ kind }) => kind === "mount").map((one) => [one.source, one]));
  for (const one of placed) {
    const hidden = roots.get(one.target);
    const around = one.kind === "mount" ? ancestors(one.target).find((path) => served.has(path)) : undefined;
    if (hidden !== undefined)
      refuse(one, `${one.target} would hide the storage ${hidden}`, "keep the storage outside of what is brought back");
    else if (around !== undefined) {
      const { option } = (served.get(around) as Placed).entry;
      refuse(
        one,
        `${one.target} lies in ${around}, which ${option} serves: it would be served through itself`,
        "keep the storage outside of the home",
      );
    }
  }
}

// A mount over the user's units hides what Home Manager or `systemctl --user enable` put there, the unit of hmpersist included.
function unitNotes(config: Config, placed: readonly Placed[]): string[] {
  const units = [join(config.home, ".config"), join(config.home, ".config/systemd"), join(config.home, ".config/systemd/user")];
  return placed
    .filter(({ target, kind }) => kind !== "file" && units.includes(target))
    .map(
      ({ entry, target }) => `${entry.option}: ${target} holds the user's systemd units; one that starts hmpersist must not lie only there`,
    );
}
