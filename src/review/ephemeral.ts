// What in the home would be lost at reboot. What counts is the world, not the configuration: an entry that is configured but not
// mounted just now, or whose link a program has replaced, is lost like anything else, and is told with that reason.
import { realpathSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { isBelow, relativeTo, targetOf } from "../config/place.ts";
import { HmpersistError } from "../errors.ts";
import { filesystemOf, VOLATILE } from "../mount/filesystem.ts";
import { readMountinfo, type MountInfo } from "../sys/mountinfo.ts";
import { CONTAINERS, parentsOf } from "./containers.ts";
import { DEFAULT_IGNORE } from "./ignore.ts";
import { known } from "./programs.ts";
import { runSurvey } from "./run-survey.ts";
import type { Group, Progress, Survey, SurveyRequest } from "./survey.ts";

export interface EphemeralOptions {
  /** Relative to the home: review only what is in there. */
  readonly at?: string;
  /** Apply no ignore patterns. */
  readonly all?: boolean;
  /** Seconds since 1970. */
  readonly since?: number | undefined;
  readonly minSize?: number | undefined;
  readonly sort?: "size" | "age" | "name";
  /** Baseline files. */
  readonly diff?: string | undefined;
  readonly save?: string | undefined;
}

export interface EphemeralGroup extends Group {
  readonly program: string | null;
  /** How it would have to be kept, where FUSE is the wrong way. */
  readonly method: "symlink" | null;
  readonly note: string | null;
  /** An entry names it, and yet it is not kept just now. */
  readonly configured: boolean;
}

export interface EphemeralReport {
  readonly home: string;
  /** The file system the home is on; `volatile`: it forgets everything at reboot. */
  readonly filesystem: { readonly type: string; readonly volatile: boolean };
  readonly groups: readonly EphemeralGroup[];
  readonly totals: { readonly groups: number; readonly files: number; readonly bytes: number };
  /** Left out by --min-size. */
  readonly smaller: number;
  readonly walked: Survey["walked"];
  readonly skipped: Survey["skipped"];
  readonly unreadable: Survey["unreadable"];
  readonly baseline: { readonly file: string; readonly taken: number; readonly gone: number } | null;
  readonly saved: string | null;
}

// Home Manager's links lead into the store; profiles are links into it made by nix.
const KEPT_BY_NIX = ["/nix/store", "/nix/var/nix", "/etc/static", "/etc/profiles", "/run/current-system"];

/** @throws HmpersistError where the home cannot be walked at all, or the baseline is none of this home. */
export async function reviewHome(
  config: Config,
  options: EphemeralOptions,
  progress?: (progress: Progress) => void,
  signal?: AbortSignal,
): Promise<EphemeralReport> {
  const home = realHome(config.home);
  const mounts = readMountinfo();
  const result = await runSurvey(makeRequest(config, home, mounts, options), progress, signal);
  const targets = new Map(
    config.storages.flatMap((storage) => [
      ...storage.directories.map(
        ({ directory }) => [relativeTo(config.home, targetOf(config.home, storage, directory)), "directory"] as const,
      ),
      ...storage.files.map(({ file }) => [relativeTo(config.home, targetOf(config.home, storage, file)), "file"] as const),
    ]),
  );
  const all = result.groups.map((group): EphemeralGroup => {
    const told = group.type === "others" ? undefined : known(group.path);
    const entry = group.type === "others" ? undefined : targets.get(group.path);
    const note =
      entry === undefined
        ? (told?.note ?? null)
        : entry === "directory"
          ? "configured, but not mounted now"
          : "configured, but a plain file stands where the link belongs";
    return { ...group, program: told?.program || null, method: told?.method ?? null, note, configured: entry !== undefined };
  });
  const groups = all.filter((group) => group.bytes >= (options.minSize ?? 0)).sort(ORDER[options.sort ?? "size"]);
  const type = filesystemOf(home, mounts)?.type ?? "unknown";
  return {
    home: config.home,
    filesystem: { type, volatile: VOLATILE.has(type) },
    groups,
    totals: {
      groups: groups.length,
      files: groups.reduce((sum, group) => sum + group.files, 0),
      bytes: groups.reduce((sum, group) => sum + group.bytes, 0),
    },
    smaller: all.length - groups.length,
    walked: result.walked,
    skipped: result.skipped,
    unreadable: result.unreadable,
    baseline: result.baseline === undefined || options.diff === undefined ? null : { file: options.diff, ...result.baseline },
    saved: options.save ?? null,
  };
}

const byName = (a: Group, b: Group): number => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
const ORDER: Record<"size" | "age" | "name", (a: Group, b: Group) => number> = {
  size: (a, b) => b.bytes - a.bytes || byName(a, b),
  age: (a, b) => b.newest - a.newest || byName(a, b),
  name: byName,
};

function makeRequest(config: Config, home: string, mounts: readonly MountInfo[], options: EphemeralOptions): SurveyRequest {
  const mounted = mounts.filter(({ mountpoint }) => isBelow(mountpoint, home)).map(({ mountpoint }) => relativeTo(home, mountpoint));
  const storages = config.storages.map(({ persistentStoragePath }) => persistentStoragePath);
  const kept = storages.filter((path) => isBelow(path, config.home)).map((path) => relativeTo(config.home, path));
  const targets = config.storages.flatMap((storage) => [
    ...storage.directories.map(({ directory }) => targetOf(config.home, storage, directory)),
    ...storage.files.map(({ file }) => targetOf(config.home, storage, file)),
  ]);
  const chosen = [...mounted, ...kept, ...targets.map((target) => relativeTo(config.home, target))];
  return {
    root: home,
    at: options.at ?? "",
    stops: [...mounted, ...kept],
    containers: [...new Set([...CONTAINERS, ...chosen.flatMap(parentsOf)])],
    prefixed: false,
    empty: false,
    ignore: options.all === true ? [] : [...DEFAULT_IGNORE, ...config.ephemeral.ignore],
    kept: [...storages, ...KEPT_BY_NIX],
    since: options.since,
    diff: options.diff,
    save: options.save,
  };
}

// The mount table tells real paths, and the walk starts at one.
function realHome(home: string): string {
  try {
    return realpathSync(home);
  } catch (error) {
    throw new HmpersistError("HMP_ENVIRONMENT", `the home ${home} cannot be reached: ${(error as NodeJS.ErrnoException).code}`);
  }
}
