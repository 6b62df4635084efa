// Moves a directory that has data into storage. Order: copy to a private name in storage, sync, compare, note it, rename; then the
// original changes places with an empty mountpoint or a link; only then is it removed. Each step can be the last one of this run: the
// next run sees from the private names how far it came.
import { RENAME_EXCHANGE } from "../sys/constants.ts";
import { lacksFlags, mkdirat, renameat2, rmdirat, symlinkat, unlinkat } from "../sys/dir.ts";
import { call } from "../sys/call.ts";
import { watchClock } from "../sys/clock.ts";
import { isErrno } from "../sys/errno.ts";
import { chmodFd } from "../sys/fd-path.ts";
import { close } from "../sys/file.ts";
import { libc } from "../sys/libc.ts";
import { cstr, nameText, type CName } from "../sys/name.ts";
import { isDirectory, isSymlink, sameMount, statAt, statFd } from "../sys/stat.ts";
import { printable } from "../sys/text.ts";
import { HmpersistError } from "../errors.ts";
import { STORAGE_MODE } from "../link/places.ts";
import { adoptAsideName, adoptStageName } from "../link/private-name.ts";
import { openDirectory, openPlace, statPlace, syncDirectory, type Place } from "../sys/walk.ts";
import { compareTrees, type Comparison } from "./compare.ts";
import { TreeCopy } from "./copy-tree.ts";
import { failpoint } from "./failpoint.ts";
import { dropJournal, readJournal, writeJournal, type Entry } from "./journal.ts";
import { lockAdoption } from "./lock.ts";
import { mergeInto } from "./merge.ts";
import { OpenFiles } from "./open-files.ts";
import { Original } from "./original.ts";
import { inDirectory, measure, namesIn, OtherFilesystem, OWNER, removeAll, walkTree } from "./tree.ts";
import type { AdoptPlan, AdoptRequest, Progress } from "./types.ts";

/** Time stamps may be as coarse as one tick of the slowest kernel. */
const TICK_MS = 20;
const SHOWN = 20;

export class DirectoryAdoption {
  readonly #request: AdoptRequest;
  readonly #target: Place;
  readonly #source: Place;
  readonly #stage: CName;
  readonly #aside: CName;
  readonly #unlock: () => void;
  #clockWentBack: () => boolean = () => false;

  /**
   * Opens both ends, for itself alone. Throws HMP_REFUSED, ParentError or SysError where they cannot be reached, HMP_BUSY if another one is
   * at work.
   * @param look only `plan` will be called: nothing is made
   */
  constructor(request: AdoptRequest, look = false) {
    this.#request = request;
    this.#source = look ? lookFor(request) : openPlace(request.storage, request.source, { mode: STORAGE_MODE, durable: true });
    try {
      this.#target = openPlace(request.home, request.target);
    } catch (error) {
      close(this.#source.dir);
      throw isErrno(error, "ENOENT") ? absent(request.target) : error;
    }
    try {
      this.#unlock = look ? () => {} : lockAdoption(this.#source);
    } catch (error) {
      this.#closeEnds();
      throw error;
    }
    this.#stage = adoptStageName(this.#source.name);
    this.#aside = adoptAsideName(this.#target.name);
  }

  close(): void {
    this.#unlock();
    this.#closeEnds();
  }

  #closeEnds(): void {
    close(this.#source.dir);
    close(this.#target.dir);
  }

  /** Looks, and changes nothing. Throws HMP_REFUSED if there is nothing that could be adopted. */
  plan(): AdoptPlan {
    const { target } = this.#request;
    if (this.#isCutShort()) return { decision: "finish", ...this.#measure(this.#aside), differing: [], writers: [] };
    const aside = statAt(this.#target.dir, this.#aside);
    if (aside !== undefined && isDirectory(aside) && !isEmpty(this.#target.dir, this.#aside))
      throw refused(`an earlier adoption left ${this.asidePath}`, "compare it with storage and remove it");
    const found = statPlace(this.#target);
    if (found === undefined) throw absent(target);
    if (isSymlink(found)) throw refused(`${target} is a link`, "only what lies in the home itself can be adopted");
    if (!isDirectory(found)) throw refused(`${target} is not a directory`, "list it under 'files'");
    if (!sameMount(found, statFd(this.#target.dir)))
      throw refused(`something is mounted at ${target}`, "it is adopted already, or unmount it");
    if (isEmpty(this.#target.dir, this.#target.name))
      throw refused(`${target} is empty`, "nothing to adopt: 'hmpersist apply' puts it in place");
    const totals = this.#measure(this.#target.name);
    const writers = this.#writers();
    if (!this.#hasStored()) return { decision: "copy", ...totals, differing: [], writers };
    const differing = this.#compareStored().differences.map(({ shown, what }) => (what === undefined ? shown : `${shown} (${what})`));
    return { decision: differing.length === 0 ? "same" : "merge", ...totals, differing, writers };
  }

  /** All data is in storage, on disk and compared, when this returns. The home is as it was. */
  store(progress: Progress = () => {}): AdoptPlan {
    const plan = this.plan();
    if (plan.decision === "finish") return plan;
    const { target, source, merge, ignoreWriters } = this.#request;
    if (plan.writers.length > 0 && !ignoreWriters) {
      throw new HmpersistError(
        "HMP_BUSY",
        `files below ${target} are open for writing: ${list(plan.writers)}`,
        "end these programs, or --ignore-open-files",
      );
    }
    if (plan.decision === "merge" && merge === undefined) {
      throw refused(`${target} and ${source} differ: ${list(plan.differing)}`, "--merge keep-home, keep-storage or newest says which wins");
    }
    // Left by a run that was cut short: an unfinished copy, or what a merge had replaced already.
    removeAll(this.#source.dir, this.#stage);
    if (plan.decision === "same") {
      const same = this.#verified(() => this.#compareStored());
      // It may have been put there a moment ago.
      this.#sync();
      writeJournal(this.#source, same);
      return plan;
    }
    const entry = this.#copy(plan, progress);
    try {
      if (plan.decision === "merge") this.#merge();
      this.#sync();
      writeJournal(this.#source, entry);
    } catch (error) {
      removeAll(this.#source.dir, this.#stage);
      throw error;
    }
    failpoint("noted");
    this.#put();
    failpoint("stored");
    return plan;
  }

  /** The original changes places with an empty directory or a link. */
  leave(): void {
    if (this.#isCutShort()) return;
    const { dir, name } = this.#target;
    this.#dropAside();
    if (this.#request.leave === "link") symlinkat(cstr(this.#request.source), dir, this.#aside);
    else this.#makeMountpoint();
    failpoint("leaving");
    try {
      renameat2(dir, this.#aside, dir, name, RENAME_EXCHANGE);
    } catch (error) {
      if (!lacksFlags(error)) throw error;
      this.#leaveInTwoSteps();
    }
    failpoint("left");
  }

  /**
   * Removes the original.
   * @returns paths that were changed after they were copied; they stay under `asidePath`, and all of the original if it is known in time
   */
  finish(): readonly string[] {
    const journal = readJournal(this.#source);
    const aside = statAt(this.#target.dir, this.#aside);
    if (journal === undefined) return [];
    if (aside !== undefined) {
      const original = this.#original(journal);
      const late = journal.phase === "stored" ? original.late() : [];
      if (late.length > 0) return late;
      writeJournal(this.#source, { ...journal, phase: "removing" });
      const kept = original.remove(() => failpoint("removing"));
      if (kept.length > 0) return kept;
    }
    removeAll(this.#source.dir, this.#stage);
    failpoint("removed");
    dropJournal(this.#source);
    return [];
  }

  get asidePath(): string {
    return this.#target.path.replace(/[^/]*$/, nameText(this.#aside));
  }

  // An aside that holds data, with all of it noted to be in storage; or all is done but for the note.
  #isCutShort(): boolean {
    const journal = readJournal(this.#source);
    if (journal === undefined || journal.target !== this.#request.target) return false;
    const aside = statAt(this.#target.dir, this.#aside);
    if (aside === undefined) return journal.phase === "removing" && !this.#hasData(this.#target);
    // While empty it is the mountpoint to come: not yet exchanged.
    return isDirectory(aside) && (journal.phase === "removing" || !isEmpty(this.#target.dir, this.#aside));
  }

  #hasData(place: Place): boolean {
    const found = statPlace(place);
    if (found === undefined || !isDirectory(found) || !sameMount(found, statFd(place.dir))) return false;
    return !isEmpty(place.dir, place.name);
  }

  #measure(name: CName): Omit<AdoptPlan, "decision" | "differing" | "writers"> {
    if (statAt(this.#target.dir, name) === undefined) return { files: 0, directories: 0, others: 0, bytes: 0 };
    try {
      return inDirectory(this.#target.dir, name, measure);
    } catch (error) {
      if (!(error instanceof OtherFilesystem)) throw error;
      throw refused(`something is mounted at ${this.#request.target}/${error.path}`, "unmount it first");
    }
  }

  #writers(): string[] {
    const open = new OpenFiles();
    inDirectory(this.#target.dir, this.#target.name, (fd) => walkTree(fd, (found) => open.look(found)));
    return open.found().map(({ who }) => who);
  }

  #hasStored(): boolean {
    const stored = statPlace(this.#source);
    if (stored === undefined) return false;
    if (!isDirectory(stored)) throw refused(`${this.#request.source} is not a directory`, "move it away");
    return !isEmpty(this.#source.dir, this.#source.name);
  }

  #copy(plan: AdoptPlan, progress: Progress): Entry {
    let done = 0;
    const lost: string[] = [];
    const copy = new TreeCopy({
      lost,
      progress: (bytes) => {
        done += bytes;
        progress(done, plan.bytes);
        failpoint("copying");
      },
    });
    try {
      copy.copy(this.#target.dir, this.#target.name, this.#source.dir, this.#stage);
    } catch (error) {
      removeAll(this.#source.dir, this.#stage);
      throw error;
    } finally {
      copy.end();
    }
    if (lost.length > 0) {
      removeAll(this.#source.dir, this.#stage);
      throw refused(
        `storage cannot hold everything: ${list(lost)}`,
        "use a storage with owners, permissions, ACLs and extended attributes",
      );
    }
    failpoint("copied");
    this.#sync();
    try {
      const entry = this.#verified(() => compareTrees(this.#target.dir, this.#target.name, this.#source.dir, this.#stage, true));
      failpoint("verified");
      return entry;
    } catch (error) {
      removeAll(this.#source.dir, this.#stage);
      throw error;
    }
  }

  // What is noted once storage has all of the original. Changes from before the comparison are found by it, later ones by their time.
  #verified(compare: () => Comparison): Entry {
    const { target } = this.#request;
    const verifiedNs = this.#now();
    const { differences, directories } = compare();
    if (differences.length > 0) {
      const names = list(differences.map(({ shown }) => shown));
      throw new HmpersistError("HMP_BUSY", `${target} was changed while it was copied: ${names}`, "end the programs that write there");
    }
    return { phase: "stored", target, verifiedNs, directories };
  }

  #compareStored(): Comparison {
    return compareTrees(this.#target.dir, this.#target.name, this.#source.dir, this.#source.name, false);
  }

  #merge(): void {
    const { merge } = this.#request;
    if (merge === undefined) return;
    const { dir, name } = this.#source;
    inDirectory(this.#target.dir, this.#target.name, (home) =>
      inDirectory(dir, name, (storage) => inDirectory(dir, this.#stage, (stage) => mergeInto(home, storage, stage, merge))),
    );
  }

  #put(): void {
    const { dir, name } = this.#source;
    const full = this.#hasStored();
    renameat2(dir, this.#stage, dir, name, full ? RENAME_EXCHANGE : 0);
    syncDirectory(dir);
    // What a merge replaced: all that was to be kept of it is in the merged tree.
    if (full) removeAll(dir, this.#stage);
  }

  // What was to take the original's place: nothing is in it.
  #dropAside(): void {
    const { dir } = this.#target;
    const aside = statAt(dir, this.#aside);
    if (aside !== undefined) (isDirectory(aside) ? rmdirat : unlinkat)(dir, this.#aside);
  }

  #makeMountpoint(): void {
    const { dir, name } = this.#target;
    mkdirat(dir, this.#aside, 0o700);
    const mode = statAt(dir, name)?.mode ?? 0o700;
    // fusermount3 wants it writable; under the mount nobody sees that.
    inDirectory(dir, this.#aside, (fd) => chmodFd(fd, (mode & 0o7777) | OWNER));
  }

  // For homes without RENAME_EXCHANGE.
  #leaveInTwoSteps(): void {
    const { dir, name } = this.#target;
    this.#dropAside();
    renameat2(dir, name, dir, this.#aside);
    if (this.#request.leave === "link") symlinkat(cstr(this.#request.source), dir, name);
    else mkdirat(dir, name, 0o700);
  }

  #original(journal: Entry): Original {
    // Where the clock was set back meanwhile, what was changed has an older date: then all may have been.
    const uncertain = this.#clockWentBack() || BigInt(Date.now()) * 1_000_000n < BigInt(journal.verifiedNs);
    return new Original(this.#target.dir, this.#aside, this.#source, journal, uncertain);
  }

  // syncfs refuses an O_PATH descriptor.
  #sync(): void {
    inDirectory(this.#source.dir, cstr("."), (fd) => call("syncfs", this.#request.storage, libc.syncfs, fd));
  }

  // From here on a change has a later time stamp, however coarse.
  #now(): string {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TICK_MS);
    const now = BigInt(Date.now() - TICK_MS / 2) * 1_000_000n;
    this.#clockWentBack = watchClock(TICK_MS);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TICK_MS);
    return String(now);
  }
}

const isEmpty = (dir: number, name: CName): boolean => inDirectory(dir, name, (fd) => namesIn(fd).length === 0);

function lookFor({ storage, source }: AdoptRequest): Place {
  try {
    return openPlace(storage, source);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    // Nothing is there, as under a name that nobody has.
    return { dir: openDirectory(storage, storage), name: adoptStageName(cstr(source)), path: source };
  }
}

const refused = (message: string, hint: string): HmpersistError => new HmpersistError("HMP_REFUSED", printable(message), hint);
const absent = (target: string): HmpersistError =>
  refused(`${target} does not exist`, "nothing to adopt: it will be mounted or linked as it is");

export function list(items: readonly string[]): string {
  const shown = items.slice(0, SHOWN).join(", ");
  return items.length > SHOWN ? `${shown} and ${items.length - SHOWN} more` : shown;
}
