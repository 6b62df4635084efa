// What in the home would be lost at reboot. What counts is the world, not the configuration: an entry that is configured but not
// mounted just now, or whose link a program has replaced, is lost like anything else, and is told with that reason.
import { accessSync, constants, realpathSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { isBelow, relativeTo } from "../config/place.ts";
import { HmpersistError } from "../errors.ts";
import { filesystemOf, VOLATILE } from "../mount/filesystem.ts";
import { makeDesired } from "../plan/desired.ts";
import type { Spec } from "../plan/types.ts";
import { readMountinfo, type MountInfo } from "../sys/mountinfo.ts";
import { checkReplaceable } from "./baseline.ts";
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
  /** Storages that forget everything as well: whatever is kept there is lost, and in no group. */
  readonly volatileStorages: readonly string[];
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

/** @throws HmpersistError where the home cannot be walked at all, the baseline is none of this home, or no baseline may be saved there. */
export async function reviewHome(
  config: Config,
  options: EphemeralOptions,
  progress?: (progress: Progress) => void,
  signal?: AbortSignal,
): Promise<EphemeralReport> {
  if (options.save !== undefined) checkReplaceable(options.save);
  const home = realHome(config.home);
  const mounts = readMountinfo();
  const specs = specsOf(config);
  const result = await runSurvey(makeRequest(config, home, specs, mounts, options), progress, signal);
  const all = result.groups.map((group): EphemeralGroup => {
    const told = group.type === "others" ? undefined : known(group.path);
    const spec = group.type === "others" ? undefined : specs.get(group.path);
    const note = spec === undefined ? (told?.note ?? null) : whyNotKept(spec, group);
    return { ...group, program: told?.program || null, method: told?.method ?? null, note, configured: spec !== undefined };
  });
  const groups = all.filter((group) => group.bytes >= (options.minSize ?? 0)).sort(ORDER[options.sort ?? "size"]);
  const type = filesystemOf(home, mounts)?.type ?? "unknown";
  return {
    home: config.home,
    filesystem: { type, volatile: VOLATILE.has(type) },
    volatileStorages: config.storages
      .map(({ persistentStoragePath }) => persistentStoragePath)
      .filter((path) => VOLATILE.has(filesystemOf(path, mounts)?.type ?? "")),
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

/** Every entry by its path in the home, also one that only root can mount. */
function specsOf(config: Config): ReadonlyMap<string, Spec> {
  const { mounts, links } = makeDesired(config, { root: true });
  return new Map([...mounts, ...links].map((spec) => [relativeTo(config.home, spec.target), spec]));
}

function whyNotKept(spec: Spec, { type }: Group): string {
  if (spec.kind === "mount") return "configured, but not mounted now";
  return `configured, but ${type === "link" ? "another link" : `a plain ${type}`} stands where the link belongs`;
}

const byName = (a: Group, b: Group): number => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
const ORDER: Record<"size" | "age" | "name", (a: Group, b: Group) => number> = {
  size: (a, b) => b.bytes - a.bytes || byName(a, b),
  age: (a, b) => b.newest - a.newest || byName(a, b),
  name: byName,
};

function makeRequest(
  config: Config,
  home: string,
  specs: ReadonlyMap<string, Spec>,
  mounts: readonly MountInfo[],
  options: EphemeralOptions,
): SurveyRequest {
  const mounted = mounts.filter(({ mountpoint }) => isBelow(mountpoint, home)).map(({ mountpoint }) => relativeTo(home, mountpoint));
  const storages = config.storages.map(({ persistentStoragePath }) => persistentStoragePath);
  const kept = storages.filter((path) => isBelow(path, config.home)).map((path) => relativeTo(config.home, path));
  const chosen = [...mounted, ...kept, ...specs.keys()];
  return {
    root: home,
    at: options.at ?? "",
    stops: [...mounted, ...kept],
    containers: [...new Set([...CONTAINERS, ...chosen.flatMap(parentsOf)])],
    prefixed: false,
    empty: false,
    ignore: options.all === true ? [] : [...DEFAULT_IGNORE, ...config.ephemeral.ignore],
    keptPlaces: KEPT_BY_NIX,
    // Any other link into storage is lost itself, though not what it leads to.
    keptLinks: [...specs].flatMap(([path, { kind, source }]) => (kind === "link" ? [[path, source] as const] : [])),
    since: options.since,
    diff: options.diff,
    save: options.save,
  };
}

// The mount table tells real paths, and the walk starts at one.
function realHome(home: string): string {
  const hint = "check `home` in the configuration and $HOME, or name another with --home";
  let real: string;
  try {
    real = realpathSync(home);
    accessSync(real, constants.R_OK | constants.X_OK);
  } catch (error) {
    throw new HmpersistError("HMP_ENVIRONMENT", `the home ${home} cannot be read: ${(error as NodeJS.ErrnoException).code}`, hint);
  }
  // Whoever has no home is said to have this one; see homeOf.
  if (real === "/") throw new HmpersistError("HMP_ENVIRONMENT", "the home is the root directory", hint);
  return real;
}
