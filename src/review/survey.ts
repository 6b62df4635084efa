// Sums a tree up into groups: the directories, or single files, that one would persist. Below a container (the home, ~/.config, the
// parents of what is persisted already) each name is a group of its own; everything deeper is only added up. So memory is bounded by
// the number of groups, whatever the number of files. Runs in a worker, since the walk blocks.
import { O_CLOEXEC, O_DIRECTORY, O_RDONLY, AT_FDCWD } from "../sys/constants.ts";
import { monotonicMs } from "../sys/clock.ts";
import { readlinkat } from "../sys/dir.ts";
import { isErrno } from "../sys/errno.ts";
import { openat } from "../sys/file.ts";
import { cstr } from "../sys/name.ts";
import { BaselineWriter, extendHash, hashOf, loadBaseline, ROOT_HASH, signature, type Baseline, type PathHash } from "./baseline.ts";
import { makeMatcher, type Matcher } from "./ignore.ts";
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
  const surveyor = new Surveyor(request, progress);
  const at = toBytes(request.at);
  const fd = openat(AT_FDCWD, cstr(request.at === "" ? request.root : `${request.root}/${request.at}`), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const start: Place = { path: at, group: undefined, hash: hashOf(at), groups: 0, others: undefined };
  walk(fd, start, landmarkAt(makeLandmarks(request.stops.map(toBytes)), at), surveyor);
  return surveyor.end();
}

const join = (within: Place, name: string): string => (within.path === "" ? name : `${within.path}/${name}`);

/** Adds up what the walk meets. Paths in here are bytes (landmarks.ts). */
class Surveyor implements Visitor<Place> {
  readonly #request: SurveyRequest;
  readonly #progress: (progress: Progress) => void;
  readonly #matcher: Matcher;
  readonly #containers: ReadonlySet<string>;
  readonly #keptPlaces: readonly string[];
  readonly #keptLinks: ReadonlyMap<string, string>;
  readonly #baseline: Baseline | undefined;
  readonly #writer: BaselineWriter | undefined;
  readonly #hashing: boolean;
  #nextProgress = monotonicMs() + PROGRESS_MS;
  readonly #result: Survey = {
    groups: [],
    walked: { files: 0, directories: 0 },
    skipped: { ignored: 0, keptLinks: 0, mounts: [] },
    unreadable: { count: 0, paths: [] },
    baseline: undefined,
  };

  constructor(request: SurveyRequest, progress: (progress: Progress) => void) {
    this.#request = request;
    this.#progress = progress;
    this.#matcher = makeMatcher(request.ignore);
    this.#containers = new Set(request.containers.map(toBytes));
    this.#keptPlaces = request.keptPlaces.map(toBytes);
    this.#keptLinks = new Map(request.keptLinks.map(([path, text]) => [toBytes(path), toBytes(text)]));
    this.#baseline = request.diff === undefined ? undefined : loadBaseline(request.diff, request.root);
    this.#writer = request.save === undefined ? undefined : new BaselineWriter();
    this.#hashing = this.#baseline !== undefined || this.#writer !== undefined;
  }

  file(entry: Entry, within: Place): void {
    const { walked, skipped } = this.#result;
    walked.files += 1;
    if ((walked.files & 0xfff) === 0) this.#tellProgress(within);
    if (entry.isLink && this.#isKeptLink(entry, within)) {
      skipped.keptLinks += 1;
      return;
    }
    if (this.#matcher.files && this.#matcher.ignores(toText(join(within, entryName(entry))), false)) {
      skipped.ignored += 1;
      return;
    }
    const standing = this.#hashing ? this.#compare(entry, within) : "new";
    const { since } = this.#request;
    if (standing === "same" || (since !== undefined && entry.ctime < since)) return;
    const group = within.group ?? this.#addGroup(within, join(within, entryName(entry)), entry.isLink ? "link" : "file");
    group.files += 1;
    group.bytes += entry.size;
    if (entry.ctime > group.newest) group.newest = entry.ctime;
    group.used = Math.max(group.used, entry.atime, entry.mtime);
    if (this.#baseline !== undefined) group[standing === "new" ? "appeared" : "changed"] += 1;
  }

  enter(entry: Entry, within: Place): Place | undefined {
    this.#result.walked.directories += 1;
    const path = join(within, entryName(entry));
    if (this.#matcher.ignores(toText(path), true)) {
      this.#result.skipped.ignored += 1;
      return undefined;
    }
    const hash = this.#hashing ? extendHash(within.hash, entry.name) : ROOT_HASH;
    const group = within.group ?? (this.#isContainer(path) ? undefined : this.#addGroup(within, path, "directory"));
    return { path, group, hash, groups: 0, others: undefined };
  }

  unreadable(name: string, within: Place, errno: string): void {
    const { unreadable } = this.#result;
    unreadable.count += 1;
    if (unreadable.paths.length < UNREADABLE_TOLD) {
      unreadable.paths.push({ path: toText(name === "" ? within.path : join(within, name)), errno });
    }
  }

  mount(entry: Entry, within: Place): void {
    this.#result.skipped.mounts.push(toText(join(within, entryName(entry))));
  }

  /** Nothing more comes: saves the baseline. */
  end(): Survey {
    const { save, root, empty } = this.#request;
    if (save !== undefined) this.#writer?.save(save, root, Date.now());
    const groups = this.#result.groups.filter((group) => group.files > 0 || (empty && group.type === "directory"));
    const baseline = this.#baseline && { taken: this.#baseline.header.taken, gone: this.#baseline.gone };
    return { ...this.#result, groups, baseline };
  }

  #tellProgress(within: Place): void {
    if (monotonicMs() < this.#nextProgress) return;
    this.#nextProgress = monotonicMs() + PROGRESS_MS;
    this.#progress({ files: this.#result.walked.files, path: toText(within.path) });
  }

  #compare(entry: Entry, within: Place): "new" | "changed" | "same" {
    const hash = extendHash(within.hash, entry.name);
    const sign = signature(entry.ctime, entry.size);
    this.#writer?.add(hash, sign);
    return this.#baseline?.compare(hash, sign) ?? "new";
  }

  #isKeptLink(entry: Entry, within: Place): boolean {
    try {
      const text = readlinkat(entry.dirfd, entry.name).toString("latin1");
      if (this.#keptLinks.get(join(within, entryName(entry))) === text) return true;
      return this.#keptPlaces.some((place) => text.startsWith(place) && (text.length === place.length || text[place.length] === "/"));
    } catch (error) {
      if (isErrno(error, "ENOENT", "EINVAL")) return false;
      throw error;
    }
  }

  #isContainer(path: string): boolean {
    if (this.#containers.has(path)) return true;
    if (!this.#request.prefixed) return false;
    const slash = path.indexOf("/");
    return slash < 0 || this.#containers.has(path.slice(slash + 1));
  }

  #addGroup(within: Place, path: string, type: Group["type"]): Group {
    within.groups += 1;
    if (within.groups <= GROUPS_PER_CONTAINER) return this.#pushGroup(path, type);
    within.others ??= this.#pushGroup(within.path, "others");
    return within.others;
  }

  #pushGroup(path: string, type: Group["type"]): Group {
    const text = toText(path);
    const group: Group = { path: text, odd: toBytes(text) !== path, type, files: 0, bytes: 0, newest: 0, used: 0, appeared: 0, changed: 0 };
    this.#result.groups.push(group);
    return group;
  }
}
