// The original, once a mountpoint or a link has its place: is all of it in storage? What was put there or changed after it was compared
// with the copy is late, and stays.
import { renameat2, rmdirat, unlinkat } from "../sys/dir.ts";
import { isErrno } from "../sys/errno.ts";
import { leaseStands, takeReadLease } from "../sys/lease.ts";
import type { CName } from "../sys/name.ts";
import { isDirectory, isRegular, sameMount, statAt, statFd, type Stat } from "../sys/stat.ts";
import type { Place } from "../sys/walk.ts";
import { sameInode } from "../link/known.ts";
import { sameBytes } from "../link/observe.ts";
import { PRIVATE_PREFIX, swapName } from "../link/private-name.ts";
import { renameNew } from "../link/rename-new.ts";
import { fileId } from "../link/writers.ts";
import { sameEntry } from "./compare.ts";
import { failpoint } from "./failpoint.ts";
import type { Entry } from "./journal.ts";
import { OpenFiles } from "./open-files.ts";
import { inDirectory, inWritable, namesIn, shownPath, withFile, type Visit } from "./tree.ts";

export class Original {
  readonly #dir: number;
  readonly #name: CName;
  readonly #source: Place;
  readonly #copied: ReadonlySet<string>;
  readonly #verifiedNs: bigint;
  readonly #uncertain: boolean;
  /** Files of which a name was removed here: when that was. */
  readonly #unlinked = new Map<string, bigint>();

  /**
   * @param name its name in the open directory `dir`
   * @param source where its copy is
   * @param uncertain times tell nothing: the clock was set back
   */
  constructor(dir: number, name: CName, source: Place, entry: Entry, uncertain: boolean) {
    this.#dir = dir;
    this.#name = name;
    this.#source = source;
    this.#copied = new Set(entry.directories);
    this.#verifiedNs = BigInt(entry.verifiedNs);
    this.#uncertain = uncertain;
  }

  /** Paths of what is not in storage as it is, or may not be much longer. */
  late(): string[] {
    const open = new OpenFiles();
    const late = this.#visit(asItIs, (found, twin) => {
      if (isDirectory(found.stat)) return true;
      if (this.#isChanged(found, twin)) return false;
      open.look(found);
      return true;
    });
    return [...late, ...open.found().map(({ shown }) => `${shown} (open for writing)`)];
  }

  /**
   * Removes what is in storage as it is: each file is looked at once more.
   * @returns paths of what stayed
   */
  remove(step: () => void): string[] {
    const late = this.#visit(inOrder, (found, twin) => {
      const removed = isDirectory(found.stat) ? isRemoved(found) : this.#drop(found, twin);
      step();
      return removed;
    });
    if (late.length === 0 && !isRemoved({ dir: this.#dir, name: this.#name })) late.push(".");
    return late;
  }

  // Asks about everything, of directories after what they hold. Returns the paths of what was answered no.
  #visit(enter: Enter, settle: Settle): string[] {
    const late: string[] = [];
    const { dir, name } = this.#source;
    inDirectory(this.#dir, this.#name, (fd) =>
      inTwin(dir, name, (twin) => enter(fd, twin, () => this.#below(fd, twin, "", late, [enter, settle]))),
    );
    return late;
  }

  #below(dir: number, twin: number | undefined, above: string, late: string[], [enter, settle]: readonly [Enter, Settle]): void {
    const here = statFd(dir);
    for (const name of namesIn(dir)) {
      const stat = statAt(dir, name);
      if (stat === undefined) continue;
      const shown = shownPath(above, name);
      const before = late.length;
      if (!sameMount(stat, here)) late.push(`${shown} (mounted)`);
      else if (isDirectory(stat)) {
        // Any other was moved in: what it holds may be as old as it likes.
        if (!this.#copied.has(String(stat.ino))) late.push(shown);
        else
          inDirectory(dir, name, (fd) =>
            inTwin(twin, name, (below) => enter(fd, below, () => this.#below(fd, below, shown, late, [enter, settle]))),
          );
      }
      if (late.length === before && !settle({ dir, name, stat, shown }, twin)) late.push(shown);
    }
  }

  #isChanged({ dir, name, stat }: Visit, twin: number | undefined): boolean {
    // Removing another name of it was a change, too.
    const unchanged = stat.ctimeNs <= this.#verifiedNs || this.#unlinked.get(fileId(stat)) === stat.ctimeNs;
    if (unchanged && !this.#uncertain) return false;
    const stored = twin === undefined ? undefined : statAt(twin, name);
    return twin === undefined || stored === undefined || !sameEntry(dir, name, stat, twin, name, stored);
  }

  // Times do not tell what a program changed through a mapping; nor do the bytes, once storage's file is no longer the copy.
  #isCopied(fd: number, name: CName, twin: number | undefined, isQuiet: () => boolean): boolean {
    const stored = twin === undefined ? undefined : statAt(twin, name);
    if (twin === undefined || stored === undefined || !isRegular(stored) || stored.ctimeNs > this.#verifiedNs) return true;
    return withFile(twin, name, (copy) => sameBytes(fd, copy, isQuiet));
  }

  // False if it stays.
  #drop(found: Visit, twin: number | undefined): boolean {
    const { dir, name, stat } = found;
    if (!isRegular(stat)) return !this.#isChanged(found, twin) && isTakenOut(dir, name, stat, () => true);
    try {
      return withFile(dir, name, (fd) => {
        // While the lease is held, who opens it for writing waits.
        const lease = takeReadLease(fd);
        const isQuiet = (): boolean => lease === "unsupported" || leaseStands(fd);
        if (lease === "writer" || this.#isChanged({ ...found, stat: statFd(fd) }, twin) || !this.#isCopied(fd, name, twin, isQuiet))
          return false;
        if (!isTakenOut(dir, name, statFd(fd), isQuiet)) return false;
        if (stat.nlink > 1) this.#unlinked.set(fileId(stat), statFd(fd).ctimeNs);
        return true;
      });
    } catch (error) {
      if (isErrno(error, "ENOENT")) return true;
      if (isErrno(error, "ELOOP", "ENXIO")) return false;
      throw error;
    }
  }
}

/** Works in an open directory; `twin` is the one of the same name in storage. */
type Enter = (fd: number, twin: number | undefined, work: () => void) => void;

const asItIs: Enter = (_fd, _twin, work) => work();

const inOrder: Enter = (fd, twin, work) =>
  inWritable(fd, () => {
    giveBack(fd, twin);
    work();
  });

// What a SIGKILL left under a private name gets its own back.
function giveBack(dir: number, twin: number | undefined): void {
  const isPrivate = (name: CName): boolean => Buffer.from(name).toString("latin1").startsWith(PRIVATE_PREFIX);
  if (twin === undefined || !namesIn(dir).some(isPrivate)) return;
  for (const name of namesIn(twin)) if (statAt(dir, swapName(name)) !== undefined) putBack(dir, name);
}

/** Whether what was asked for is so. */
type Settle = (found: Visit, twin: number | undefined) => boolean;

// Renamed to a private name first: only who had found it by its name before can still come, and is seen.
function isTakenOut(dir: number, name: CName, stat: Stat, isQuiet: () => boolean): boolean {
  const out = swapName(name);
  if (statAt(dir, out) !== undefined) return false;
  renameat2(dir, name, dir, out);
  failpoint("taken");
  const found = statAt(dir, out);
  if (found !== undefined && sameInode(found, stat) && isQuiet()) {
    unlinkat(dir, out);
    return true;
  }
  putBack(dir, name);
  return false;
}

function putBack(dir: number, name: CName): void {
  try {
    renameNew(dir, swapName(name), name);
  } catch (error) {
    // Somebody has made another one: both stay.
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

function isRemoved({ dir, name }: Pick<Visit, "dir" | "name">): boolean {
  try {
    rmdirat(dir, name);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOTEMPTY", "EEXIST")) return false;
    throw error;
  }
}

// With the directory of the same name in storage, if there is one.
function inTwin<T>(dir: number | undefined, name: CName, work: (fd: number | undefined) => T): T {
  const stat = dir === undefined ? undefined : statAt(dir, name);
  if (dir === undefined || stat === undefined || !isDirectory(stat)) return work(undefined);
  return inDirectory(dir, name, work);
}
