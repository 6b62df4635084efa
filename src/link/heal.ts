// Mends one link: what a program put in its place goes to storage, and the link comes back. Order: copy, fsync, rename in storage,
// exchange in the home, and only then is what came out dropped, if it is what was copied. No step leaves the newest content nowhere.
//
// A read lease on the plain file, held from the last comparison on, tells whether anybody has it open for writing; such a file is
// left alone until they are done.
import { isErrno } from "../sys/errno.ts";
import { close, openForReading } from "../sys/file.ts";
import { leaseStands, takeReadLease } from "../sys/lease.ts";
import { isDirectory, isRegular, isSymlink, statFd, type Stat } from "../sys/stat.ts";
import type { LinkSpec } from "../plan/types.ts";
import { isTaken, knownOf, sameInode, takenOf, unchanged, untouched } from "./known.ts";
import { sameBytes } from "./observe.ts";
import { openPlaces, type Places } from "./places.ts";
import { withBackup } from "./backup.ts";
import { asProblem, conflict, foreignLink, inTheWay } from "./problems.ts";
import { recover } from "./recover.ts";
import { dropStage, storeStage, writeStage, type Memory } from "./stage.ts";
import { createLink, dropEmptyDirectory, dropSwap, putBack, swapIn } from "./swap.ts";
import type { HealOutcome, LinkRecord, Stored, Taken } from "./types.ts";
import { linkText, statPlace } from "../sys/walk.ts";
import { hasWriter, writersBelow } from "./writers.ts";

const TRIES = 8;

export interface HealOptions {
  /** Put a deleted link back; without it a missing link is "busy": many programs delete and create again. */
  readonly relink: boolean;
  /** Copy to storage even while a program writes, leaving the plain file where it is. */
  readonly snapshot: boolean;
  /** The last snapshot: a file that is still the same is not copied again. */
  readonly taken?: Taken | undefined;
}

/** Heals the link of `spec`, which must have been ours in this home. Never throws for what a filesystem may answer. */
export function healLink(
  spec: LinkSpec,
  home: string,
  record: Pick<LinkRecord, "known" | "backups">,
  options: HealOptions = { relink: true, snapshot: false },
): HealOutcome {
  try {
    const places = openPlaces(spec, home);
    try {
      recover(places);
      return mend(places, spec, record, options);
    } finally {
      places.close();
    }
  } catch (error) {
    return asProblem(error, spec);
  }
}

function mend(places: Places, spec: LinkSpec, memory: Memory, options: HealOptions): HealOutcome {
  // What went to storage so far: it is not taken for somebody else's by the next try, nor by the next healing.
  let stored: Stored | undefined;
  try {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const now = stored === undefined ? memory : { known: stored.known, backups: withBackup(memory.backups, stored.backup) };
      const outcome = attempt(places, spec, now, options);
      if ("result" in outcome) return withStored(outcome, stored);
      if (outcome.stored !== undefined) stored = { known: outcome.stored.known, backup: outcome.stored.backup ?? stored?.backup };
    }
  } catch (error) {
    return withStored(asProblem(error, spec), stored);
  }
  return withStored({ result: "busy", reason: "replaced again and again" }, stored);
}

function withStored(outcome: HealOutcome, stored: Stored | undefined): HealOutcome {
  if (stored === undefined) return outcome;
  const backup = outcome.backup ?? stored.backup;
  if (outcome.result === "ok" || outcome.result === "relinked") return { ...outcome, backup };
  return { ...outcome, known: outcome.known ?? stored.known, backup };
}

interface Again {
  readonly stored: Stored | undefined;
}

const AGAIN: Again = { stored: undefined };

function attempt(places: Places, spec: LinkSpec, memory: Memory, options: HealOptions): HealOutcome | Again {
  const { target, source } = places;
  const found = statPlace(target);
  if (found === undefined) {
    if (!options.relink) return { result: "busy", reason: "deleted a moment ago" };
    return createLink(places.swap) ? { result: "relinked", known: behind(places) } : AGAIN;
  }
  if (isSymlink(found)) {
    const text = linkText(target.dir, target.name)?.toString();
    if (text === undefined) return AGAIN;
    return text === spec.source ? { result: "ok", known: behind(places) } : foreignLink(spec, text);
  }
  if (spec.what === "directory" || !isRegular(found)) {
    if (spec.what !== "directory" || !isDirectory(found) || !replaceEmptyDirectory(places)) return inTheWay(spec, found);
    return { result: "relinked", known: undefined };
  }
  const before = statPlace(source);
  if (before !== undefined && isDirectory(before)) return conflict(`${spec.source} is a directory, a file is expected`, spec);
  return healFile(places, spec, memory, options);
}

/** The identity of the file behind the link, if there is one. */
function behind({ source }: Places): ReturnType<typeof knownOf> | undefined {
  const stat = statPlace(source);
  return stat === undefined || !isRegular(stat) ? undefined : knownOf(stat);
}

function replaceEmptyDirectory({ swap }: Places): boolean {
  const out = swapIn(swap);
  if (out === undefined) return false;
  if (isDirectory(out) && dropEmptyDirectory(swap)) return true;
  putBack(swap);
  return false;
}

function healFile(places: Places, spec: LinkSpec, memory: Memory, options: HealOptions): HealOutcome | Again {
  const { target } = places;
  let fd: number;
  try {
    fd = openForReading(target.dir, target.name);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ELOOP", "ENXIO")) return AGAIN;
    throw error;
  }
  try {
    const before = statFd(fd);
    if (!isRegular(before)) return AGAIN;
    if (hasWriter(fd, target.path)) return whileWritten(places, fd, before, memory, options);
    const lost = writeStage(fd, before, places.source);
    if (!untouched(before, statFd(fd))) {
      dropStage(places.source);
      return AGAIN;
    }
    const stored = storeStage(places.source, memory);
    try {
      if (!isSettled(places, fd, before)) return { stored };
      return switchOver(places, fd, before, stored, lost);
    } catch (error) {
      // No room for a link in the home, for one.
      return { ...asProblem(error, spec), ...stored };
    }
  } finally {
    close(fd);
  }
}

// Takes the lease, then compares for the last time: bytes, since a program that maps a file may change it without touching its times, and
// time stamps of kernels before 6.13 are as coarse as 4 ms. Whoever waits to open it for writing does not wait for that.
function isSettled({ target, source }: Places, fd: number, before: Stat): boolean {
  const lease = takeReadLease(fd);
  const now = statPlace(target);
  if (isWriter(lease, target.path) || now === undefined || !untouched(before, statFd(fd)) || !sameInode(now, before)) return false;
  const copy = openForReading(source.dir, source.name);
  try {
    return sameBytes(fd, copy, () => lease === "unsupported" || leaseStands(fd));
  } finally {
    close(copy);
  }
}

const isWriter = (lease: ReturnType<typeof takeReadLease>, path: string): boolean =>
  lease === "writer" || (lease === "unsupported" && writersBelow(path).length > 0);

function switchOver({ swap }: Places, fd: number, before: Stat, stored: Stored, lost: readonly string[]): HealOutcome | Again {
  const out = swapIn(swap);
  if (out === undefined) return { stored };
  const lease = takeReadLease(fd);
  const quiet = lease === "unsupported" ? writersBelow(swap.path).length === 0 : lease === "taken" && leaseStands(fd);
  if (!unchanged(out, before) || !quiet) {
    putBack(swap);
    return { stored };
  }
  dropSwap(swap);
  return { result: "healed", ...stored, bytes: before.size, lost };
}

// A long writer keeps its file; storage gets what is complete of it, once for each state it is in.
function whileWritten(places: Places, fd: number, before: Stat, memory: Memory, options: HealOptions): HealOutcome {
  const reason = "a program has it open for writing";
  if (!options.snapshot || isTaken(before, options.taken)) return { result: "busy", reason };
  const now = Date.now();
  writeStage(fd, before, places.source);
  if (!untouched(before, statFd(fd))) {
    dropStage(places.source);
    return { result: "busy", reason };
  }
  return { result: "busy", reason, ...storeStage(places.source, memory), taken: takenOf(before, now) };
}
