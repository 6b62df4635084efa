// Mends one link: what a program put in its place goes to storage, and the link comes back. Order: copy, fsync, rename in storage,
// exchange in the home, and only then is what came out dropped, if it is what was copied. No step leaves the newest content nowhere.
//
// A read lease on the plain file, held from the last comparison on, tells whether anybody has it open for writing; such a file is
// left alone until they are done.
import { O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from "../sys/constants.ts";
import { isErrno } from "../sys/errno.ts";
import { close, openat } from "../sys/file.ts";
import { dropLease, leaseStands, takeReadLease } from "../sys/lease.ts";
import { isDirectory, isRegular, isSymlink, statFd, type Stat } from "../sys/stat.ts";
import type { LinkSpec } from "../plan/types.ts";
import { knownOf, sameInode, unchanged, untouched } from "./known.ts";
import { sameBytes } from "./observe.ts";
import { openPlaces, type Places } from "./places.ts";
import { asProblem, conflict, foreignLink, inTheWay } from "./problems.ts";
import { recover } from "./recover.ts";
import { dropStage, storeStage, writeStage, type Memory } from "./stage.ts";
import { createLink, dropEmptyDirectory, dropSwap, putBack, swapIn } from "./swap.ts";
import type { HealOutcome, LinkRecord, Stored } from "./types.ts";
import { linkText, statPlace } from "../sys/walk.ts";
import { writersBelow } from "./writers.ts";

const TRIES = 8;
/** Larger files are told apart by their times alone. */
const COMPARE_MAX = 4 * 1024 * 1024;

export interface HealOptions {
  /** Put a deleted link back; without it a missing link is "busy": many programs delete and create again. */
  readonly relink: boolean;
  /** Copy to storage even while a program writes, leaving the plain file where it is. */
  readonly snapshot: boolean;
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
  const { target, source } = places;
  let last = memory;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const found = statPlace(target);
    if (found === undefined) {
      if (!options.relink) return { result: "busy", reason: "deleted a moment ago", known: undefined };
      if (createLink(places.swap)) return { result: "relinked", known: behind(places) };
      continue;
    }
    if (isSymlink(found)) {
      const text = linkText(target.dir, target.name)?.toString();
      if (text === undefined) continue;
      return text === spec.source ? { result: "ok", known: behind(places) } : foreignLink(spec, text);
    }
    if (spec.what === "directory" || !isRegular(found)) {
      if (spec.what !== "directory" || !isDirectory(found) || !replaceEmptyDirectory(places)) return inTheWay(spec, found);
      return { result: "relinked", known: undefined };
    }
    const before = statPlace(source);
    if (before !== undefined && isDirectory(before)) return conflict(`${spec.source} is a directory, a file is expected`, spec);
    const outcome = healFile(places, spec, last, options);
    if ("result" in outcome) return outcome;
    if (outcome.stored !== undefined) last = { ...last, known: outcome.stored.known };
  }
  return { result: "busy", reason: "replaced again and again", known: last.known };
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

interface Again {
  readonly stored: Stored | undefined;
}

function healFile(places: Places, spec: LinkSpec, memory: Memory, options: HealOptions): HealOutcome | Again {
  const { target } = places;
  let fd: number;
  try {
    fd = openat(target.dir, target.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ELOOP", "ENXIO")) return { stored: undefined };
    throw error;
  }
  try {
    const before = statFd(fd);
    if (!isRegular(before)) return { stored: undefined };
    if (isWritten(fd, target.path)) return whileWritten(places, fd, before, memory, options);
    const lost = writeStage(fd, before, places.source);
    if (!untouched(before, statFd(fd))) {
      dropStage(places.source);
      return { stored: undefined };
    }
    const stored = storeStage(places.source, memory);
    try {
      if (!isSettled(places, fd, before)) return { stored };
      return switchOver(places, fd, before, stored, lost);
    } catch (error) {
      // No room for a link in the home, for one. What is in storage now is not taken for somebody else's the next time.
      return { ...asProblem(error, spec), stored };
    }
  } finally {
    close(fd);
  }
}

// Takes the lease, then compares for the last time. Time stamps of kernels before 6.13 are as coarse as 4 ms, so bytes are compared.
function isSettled({ target, source }: Places, fd: number, before: Stat): boolean {
  const lease = takeReadLease(fd);
  const now = statPlace(target);
  if (isWriter(lease, target.path) || now === undefined || !untouched(before, statFd(fd)) || !sameInode(now, before)) return false;
  if (before.size > COMPARE_MAX) return true;
  const copy = openat(source.dir, source.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  try {
    return sameBytes(fd, copy);
  } finally {
    close(copy);
  }
}

function isWritten(fd: number, path: string): boolean {
  const lease = takeReadLease(fd);
  if (lease === "taken") dropLease(fd);
  return isWriter(lease, path);
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
  return { result: "healed", known: stored.known, bytes: before.size, backup: stored.backup, lost };
}

// A long writer keeps its file; storage gets what is complete of it.
function whileWritten(places: Places, fd: number, before: Stat, memory: Memory, options: HealOptions): HealOutcome {
  const reason = "a program has it open for writing";
  if (!options.snapshot) return { result: "busy", reason, known: undefined };
  writeStage(fd, before, places.source);
  if (!untouched(before, statFd(fd))) {
    dropStage(places.source);
    return { result: "busy", reason, known: undefined };
  }
  return { result: "busy", reason, known: storeStage(places.source, memory).known };
}
