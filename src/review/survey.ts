// Sums a tree up into groups: the directories, or single files, that one would persist. Below a container (the home, ~/.config, the
// parents of what is persisted already) each name is a group of its own; everything deeper is only added up. So memory is bounded by
// the number of groups, whatever the number of files. Runs in a worker, since the walk blocks.
import { O_CLOEXEC, O_DIRECTORY, O_RDONLY, AT_FDCWD } from "../sys/constants.ts";
import { monotonicMs } from "../sys/clock.ts";
import { readlinkat } from "../sys/dir.ts";
import { isErrno } from "../sys/errno.ts";
import { openat } from "../sys/file.ts";
import { cstr } from "../sys/name.ts";
import { BaselineWriter, extendHash, hashOf, loadBaseline, ROOT_HASH, signature, type PathHash } from "./baseline.ts";
import { makeMatcher } from "./ignore.ts";
import { landmarkAt, makeLandmarks, toBytes, toText } from "./landmarks.ts";
import { entryName, walk, type Entry, type Visitor } from "./walk.ts";

/** What to walk, as plain data. Paths are UTF-8, those below the root relative to it. */
export interface SurveyRequest {
  readonly root: string;
  /** Start here, "" for the root itself; it is a container. */
  readonly at: string;
  /** Not looked at at all: persisted entries, mountpoints. */
  readonly stops: readonly string[];
  readonly containers: readonly string[];
  /** The containers are meant below each first component (removePrefixDirectory), which is a container itself. */
  readonly prefixed: boolean;
  /** Also tell directories without any file in them. */
  readonly empty: boolean;
  readonly ignore: readonly string[];
  /** Links that come back by themselves: whose text is one of these places, or below it... */
  readonly keptPlaces: readonly string[];
  /** ... or which are these: path and text. */
  readonly keptLinks: readonly (readonly [path: string, text: string])[];
  /** Only files changed since then, seconds since 1970. */
  readonly since: number | undefined;
  /** Only what is new or changed against this baseline. */
  readonly diff: string | undefined;
  readonly save: string | undefined;
}

export interface Group {
  /** Relative to the root. `odd`: the name is not UTF-8, and this is only what can be shown of it. */
  readonly path: string;
  readonly odd: boolean;
  /** "others": what was too much to be told one by one, all directly in `path`. */
  readonly type: "directory" | "file" | "link" | "others";
  files: number;
  bytes: number;
  /** Newest change of a file in it, seconds since 1970. */
  newest: number;
  /** Last time a file in it was read or changed, seconds since 1970. */
  used: number;
  /** Against the baseline, where there is one. */
  appeared: number;
  changed: number;
}

export interface Survey {
  readonly groups: Group[];
  /** Everything that was walked, also what no filter let through. */
  readonly walked: { files: number; directories: number };
  readonly skipped: { ignored: number; keptLinks: number; mounts: string[] };
  /** The first hundred, and how many in all. */
  readonly unreadable: { count: number; paths: { path: string; errno: string }[] };
  readonly baseline: { readonly taken: number; readonly gone: number } | undefined;
}

export interface Progress {
  readonly files: number;
  readonly path: string;
}

interface Place {
  readonly path: string;
  readonly group: Group | undefined;
  readonly hash: PathHash;
  /** Of a container: how many groups it has, and where the rest goes. */
  groups: number;
  others: Group | undefined;
}

const GROUPS_PER_CONTAINER = 5000;
const UNREADABLE_TOLD = 100;
const PROGRESS_MS = 100;

/** Walks; `progress` is called about ten times a second. Throws SysError where the root cannot be opened. */
export function survey(request: SurveyRequest, progress: (progress: Progress) => void): Survey {
  const result: Survey = {
    groups: [],
    walked: { files: 0, directories: 0 },
    skipped: { ignored: 0, keptLinks: 0, mounts: [] },
    unreadable: { count: 0, paths: [] },
    baseline: undefined,
  };
  const matcher = makeMatcher(request.ignore);
  const containers = new Set(request.containers.map(toBytes));
  const keptPlaces = request.keptPlaces.map(toBytes);
  const keptLinks = new Map(request.keptLinks.map(([path, text]) => [toBytes(path), toBytes(text)]));
  const baseline = request.diff === undefined ? undefined : loadBaseline(request.diff, request.root);
  const writer = request.save === undefined ? undefined : new BaselineWriter();
  const hashing = baseline !== undefined || writer !== undefined;
  let nextProgress = monotonicMs() + PROGRESS_MS;

  const join = (within: Place, name: string): string => (within.path === "" ? name : `${within.path}/${name}`);

  const isContainer = (path: string): boolean => {
    if (containers.has(path)) return true;
    if (!request.prefixed) return false;
    const slash = path.indexOf("/");
    return slash < 0 || containers.has(path.slice(slash + 1));
  };

  const addGroup = (within: Place, path: string, type: Group["type"]): Group => {
    within.groups += 1;
    if (within.groups > GROUPS_PER_CONTAINER) {
      within.others ??= pushGroup(within.path, "others");
      return within.others;
    }
    return pushGroup(path, type);
  };

  const pushGroup = (path: string, type: Group["type"]): Group => {
    const text = toText(path);
    const group: Group = { path: text, odd: toBytes(text) !== path, type, files: 0, bytes: 0, newest: 0, used: 0, appeared: 0, changed: 0 };
    result.groups.push(group);
    return group;
  };

  const isKeptLink = (entry: Entry, within: Place): boolean => {
    try {
      const text = readlinkat(entry.dirfd, entry.name).toString("latin1");
      if (keptLinks.get(join(within, entryName(entry))) === text) return true;
      return keptPlaces.some((place) => text.startsWith(place) && (text.length === place.length || text[place.length] === "/"));
    } catch (error) {
      if (isErrno(error, "ENOENT", "EINVAL")) return false;
      throw error;
    }
  };

  const visitor: Visitor<Place> = {
    file(entry, within) {
      result.walked.files += 1;
      if ((result.walked.files & 0xfff) === 0 && monotonicMs() >= nextProgress) {
        nextProgress = monotonicMs() + PROGRESS_MS;
        progress({ files: result.walked.files, path: toText(within.path) });
      }
      if (entry.isLink && isKeptLink(entry, within)) {
        result.skipped.keptLinks += 1;
        return;
      }
      if (matcher.files && matcher.ignores(toText(join(within, entryName(entry))), false)) {
        result.skipped.ignored += 1;
        return;
      }
      let standing: "new" | "changed" | "same" = "new";
      if (hashing) {
        const hash = extendHash(within.hash, entry.name);
        const sign = signature(entry.ctime, entry.size);
        writer?.add(hash, sign);
        if (baseline !== undefined) standing = baseline.compare(hash, sign);
      }
      if (standing === "same" || (request.since !== undefined && entry.ctime < request.since)) return;
      const group = within.group ?? addGroup(within, join(within, entryName(entry)), entry.isLink ? "link" : "file");
      group.files += 1;
      group.bytes += entry.size;
      if (entry.ctime > group.newest) group.newest = entry.ctime;
      group.used = Math.max(group.used, entry.atime, entry.mtime);
      if (baseline !== undefined) group[standing === "new" ? "appeared" : "changed"] += 1;
    },
    enter(entry, within) {
      result.walked.directories += 1;
      const path = join(within, entryName(entry));
      if (matcher.ignores(toText(path), true)) {
        result.skipped.ignored += 1;
        return undefined;
      }
      const hash = hashing ? extendHash(within.hash, entry.name) : ROOT_HASH;
      const group = within.group ?? (isContainer(path) ? undefined : addGroup(within, path, "directory"));
      return { path, group, hash, groups: 0, others: undefined };
    },
    unreadable(name, within, errno) {
      result.unreadable.count += 1;
      if (result.unreadable.paths.length < UNREADABLE_TOLD) {
        result.unreadable.paths.push({ path: toText(name === "" ? within.path : join(within, name)), errno });
      }
    },
    mount(entry, within) {
      result.skipped.mounts.push(toText(join(within, entryName(entry))));
    },
  };

  const at = toBytes(request.at);
  const fd = openat(AT_FDCWD, cstr(request.at === "" ? request.root : `${request.root}/${request.at}`), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const start: Place = { path: at, group: undefined, hash: hashOf(at), groups: 0, others: undefined };
  walk(fd, start, landmarkAt(makeLandmarks(request.stops.map(toBytes)), at), visitor);
  if (writer !== undefined && request.save !== undefined) writer.save(request.save, request.root, Date.now());
  const groups = result.groups.filter((group) => group.files > 0 || (request.empty && group.type === "directory"));
  return { ...result, groups, baseline: baseline && { taken: baseline.header.taken, gone: baseline.gone } };
}
