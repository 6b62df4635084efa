// What lies in storage that no entry names. Looks and tells, never deletes. An entry of any storage counts, since one storage may lie
// in another; what is configured but switched off (`enable`) is named by nobody and is told.
import { statSync } from "node:fs";
import type { Config, Storage } from "../config/config.ts";
import { isBelow, relativeTo, sourceOf } from "../config/place.ts";
import { HmpersistError } from "../errors.ts";
import { PRIVATE_PREFIX } from "../link/private-name.ts";
import { readMountinfo, type MountInfo } from "../sys/mountinfo.ts";
import { CONTAINERS, parentsOf } from "./containers.ts";
import { filesystemOf } from "../mount/filesystem.ts";
import { silentAmong } from "../mount/probe.ts";
import { known } from "./programs.ts";
import { runSurvey } from "./run-survey.ts";
import type { Group, Progress, Survey } from "./survey.ts";

export interface Orphan extends Group {
  /** Where an entry of this name would appear, relative to the home; null: it could not be an entry. */
  readonly target: string | null;
  readonly program: string | null;
}

export interface StorageOrphans {
  readonly storage: string;
  readonly groups: readonly Orphan[];
  readonly totals: { readonly groups: number; readonly files: number; readonly bytes: number };
  readonly unreadable: Survey["unreadable"];
  /** False: the file system notes no reads, so the last use is the last change. */
  readonly atime: boolean;
  /** Why it could not be looked at. */
  readonly problem: string | null;
}

export interface OrphansReport {
  readonly storages: readonly StorageOrphans[];
}

// What a dotfiles repository, or a disk, has at its top; and unfinished copies of ours. A backup ends with our name: it is the user's.
const IGNORE = ["/.git/", "lost+found/", `${PRIVATE_PREFIX}*`];
const NOTHING = { groups: [], totals: { groups: 0, files: 0, bytes: 0 }, unreadable: { count: 0, paths: [] }, atime: true };

export async function findOrphans(
  config: Config,
  options: { readonly all?: boolean },
  progress?: (progress: Progress) => void,
): Promise<OrphansReport> {
  const mounts = readMountinfo();
  const silent = await silentAmong(config.storages);
  const storages: StorageOrphans[] = [];
  for (const storage of config.storages) {
    try {
      if (silent.includes(storage.persistentStoragePath))
        throw new HmpersistError("HMP_ENVIRONMENT", `${storage.persistentStoragePath} does not answer`);
      storages.push(await orphansOf(storage, config, mounts, options.all === true, progress));
    } catch (error) {
      if (!(error instanceof HmpersistError) && !(error instanceof Error && "code" in error)) throw error;
      storages.push({ ...NOTHING, storage: storage.persistentStoragePath, problem: error.message });
    }
  }
  return { storages };
}

async function orphansOf(
  storage: Storage,
  config: Config,
  mounts: readonly MountInfo[],
  all: boolean,
  progress: ((progress: Progress) => void) | undefined,
): Promise<StorageOrphans> {
  const path = storage.persistentStoragePath;
  if (!statSync(path).isDirectory()) throw new HmpersistError("HMP_ENVIRONMENT", `${path} is no directory`);
  const below = (paths: readonly string[]): string[] =>
    paths.filter((other) => isBelow(other, path)).map((other) => relativeTo(path, other));
  const named = below([
    ...config.storages.flatMap((other) => [
      ...other.directories.map(({ directory }) => sourceOf(other, directory)),
      ...other.files.map(({ file }) => sourceOf(other, file)),
    ]),
    ...config.storages.map((other) => other.persistentStoragePath),
  ]);
  const result = await runSurvey(
    {
      root: path,
      at: "",
      stops: [...named, ...below(mounts.map(({ mountpoint }) => mountpoint))],
      containers: [...new Set([...CONTAINERS, ...named.flatMap(parentsOf)])],
      prefixed: storage.removePrefixDirectory,
      empty: true,
      ignore: all ? [] : IGNORE,
      keptPlaces: [],
      keptLinks: [],
      since: undefined,
      diff: undefined,
      save: undefined,
    },
    progress,
  );
  const groups = result.groups.map((group): Orphan => {
    const target = targetOf(storage, group);
    return { ...group, target, program: target === null ? null : known(target)?.program || null };
  });
  groups.sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
  const totals = {
    groups: groups.length,
    files: groups.reduce((sum, group) => sum + group.files, 0),
    bytes: groups.reduce((sum, group) => sum + group.bytes, 0),
  };
  const atime = filesystemOf(path, mounts)?.options.includes("noatime") !== true;
  return { storage: path, groups, totals, unreadable: result.unreadable, atime, problem: null };
}

function targetOf(storage: Storage, group: Group): string | null {
  if (group.type === "others") return null;
  if (!storage.removePrefixDirectory) return group.path;
  const slash = group.path.indexOf("/");
  return slash < 0 ? null : group.path.slice(slash + 1);
}
