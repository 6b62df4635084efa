// Puts a link in its place and takes it away again. What stands in the way is settled by the entry's `onConflict`; nothing is ever
// dropped but an empty file, one with the same content as storage, or a link that we made.
import { O_CLOEXEC, O_NOFOLLOW, O_RDONLY } from "../sys/constants.ts";
import { isErrno } from "../sys/errno.ts";
import { close, fsync, openat, openForReading } from "../sys/file.ts";
import { isDirectory, isRegular, isSymlink, statFd, type Stat } from "../sys/stat.ts";
import type { LinkSpec } from "../plan/types.ts";
import { moveAside } from "./backup.ts";
import { healLink } from "./heal.ts";
import { knownOf, sameInode, unchanged } from "./known.ts";
import { firstNames, sameBytes } from "./observe.ts";
import { openPlaces, type Places } from "./places.ts";
import { asProblem, conflict, foreignLink, inTheWay } from "./problems.ts";
import { isStored, recover } from "./recover.ts";
import { bringBack, createLink, dropEmptyDirectory, dropSwap, isMissing, isOurLink, putBack, statSwap, swapIn } from "./swap.ts";
import { swapOf, takeOut, type Swap } from "./swap.ts";
import type { LinkOutcome, RemoveOutcome } from "./types.ts";
import { linkText, openDirectory, openPlace, statPlace, syncDirectory } from "../sys/walk.ts";
import { hasWriter } from "./writers.ts";

const TRIES = 8;

/**
 * Makes the parents and the link.
 * @param own the text of a link we made there earlier, which may be replaced although it is not the wanted one
 */
export function placeLink(spec: LinkSpec, home: string, own?: string): LinkOutcome {
  try {
    const places = openPlaces(spec, home);
    try {
      if (spec.what === "directory") close(openDirectory(spec.storage, spec.source, { mode: spec.mode, durable: true }));
      recover(places);
      const stored = statPlace(places.source);
      if (spec.what === "file" && stored !== undefined && isDirectory(stored)) {
        return conflict(`${spec.source} is a directory, a file is expected`, spec, "list it under 'directories'");
      }
      return settle(places, spec, home, own, stored);
    } finally {
      places.close();
    }
  } catch (error) {
    return asProblem(error, spec);
  }
}

function settle(places: Places, spec: LinkSpec, home: string, own: string | undefined, stored: Stat | undefined): LinkOutcome {
  const { target, swap } = places;
  const known = stored !== undefined && isRegular(stored) ? knownOf(stored) : undefined;
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (createLink(swap)) return { result: "placed", known };
    const found = statPlace(target);
    if (found === undefined) continue;
    if (isSymlink(found)) {
      const text = linkText(target.dir, target.name)?.toString();
      if (text === undefined) continue;
      if (text === spec.source) return { result: "kept", known };
      if (text === own) {
        if (replaceOwn(places, own)) return { result: "replaced", known };
        continue;
      }
      if (spec.onConflict !== "backup") return foreignLink(spec, text);
    }
    const superfluous = isSymlink(found) ? false : droppable(places, found);
    if (superfluous === undefined) continue;
    if (superfluous) {
      if (replace(places, found)) return { result: "replaced", known };
      continue;
    }
    if (spec.onConflict === "backup") {
      const out = swapIn(swap);
      if (out === undefined) continue;
      return { result: "backed-up", known, backup: moveAside(target, swap.name) };
    }
    return spec.onConflict === "adopt" && spec.what === "file" && isRegular(found)
      ? adopt(spec, home, stored, inTheWay(spec, found))
      : inTheWay(spec, found);
  }
  return conflict(`${spec.target} is replaced again and again by another program`, spec);
}

function replaceOwn({ swap }: Places, own: string): boolean {
  if (swapIn(swap) === undefined) return false;
  if (isOurLink({ ...swap, text: own }, swap.name)) {
    dropSwap(swap);
    return true;
  }
  putBack(swap);
  return false;
}

// Undefined if something else stands there by now.
function droppable(places: Places, found: Stat): boolean | undefined {
  try {
    return isSuperfluous(places, found);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "ENXIO")) return undefined;
    throw error;
  }
}

// Nothing is lost with it: an empty file or directory, or the same content as in storage; and nobody writes there.
function isSuperfluous({ target, source }: Places, found: Stat): boolean {
  if (isDirectory(found)) {
    const stored = statPlace(source);
    const fd = openat(target.dir, target.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    try {
      return stored !== undefined && isDirectory(stored) && firstNames(fd).length === 0;
    } finally {
      close(fd);
    }
  }
  if (!isRegular(found)) return false;
  const fds = [openForReading(target.dir, target.name)];
  try {
    const [fd = -1] = fds;
    if (!sameInode(statFd(fd), found) || hasWriter(fd, target.path)) return false;
    if (found.size === 0) return true;
    const stored = statPlace(source);
    if (stored === undefined || !isRegular(stored) || stored.size !== found.size) return false;
    const other = openForReading(source.dir, source.name);
    fds.push(other);
    if (!sameBytes(fd, other)) return false;
    // From now on it is the only one.
    fsync(other);
    syncDirectory(source.dir);
    return true;
  } finally {
    for (const fd of fds) close(fd);
  }
}

function replace(places: Places, found: Stat): boolean {
  const { swap } = places;
  const out = swapIn(swap);
  if (out === undefined) return false;
  if (isDirectory(found) ? isDirectory(out) && dropEmptyDirectory(swap) : isStill(places, out, found)) {
    if (statSwap(swap) !== undefined) dropSwap(swap);
    return true;
  }
  putBack(swap);
  return false;
}

// Times do not tell what a program changed through a mapping.
function isStill(places: Places, out: Stat, found: Stat): boolean {
  const { swap } = places;
  if (!isRegular(out) || !unchanged(out, found)) return false;
  const fd = openForReading(swap.place.dir, swap.name);
  try {
    return !hasWriter(fd, swap.path) && (found.size === 0 || isStored(places, fd));
  } finally {
    close(fd);
  }
}

// Moving a file into an empty place in storage is what healing does.
function adopt(spec: LinkSpec, home: string, stored: Stat | undefined, refusal: LinkOutcome): LinkOutcome {
  if (stored !== undefined && (!isRegular(stored) || stored.size > 0)) return refusal;
  const outcome = healLink(spec, home, { known: undefined, backups: [] });
  if (outcome.result === "healed") return { result: "adopted", known: outcome.known };
  if (outcome.result === "conflict" || outcome.result === "failed") return outcome;
  if (outcome.result !== "busy") return { result: "placed", known: outcome.known };
  return conflict(`${spec.target}: ${outcome.reason}`, spec, "end that program, then run 'hmpersist apply'");
}

/** Removes the link at `target`, if it is still the one with `text`. Its storage file stays. */
export function removeLink(target: string, text: string, home: string): RemoveOutcome {
  try {
    const place = openPlace(home, target);
    try {
      const swap = swapOf(place, text);
      const backup = clear(swap);
      return { ...takeAway(swap), backup };
    } finally {
      close(place.dir);
    }
  } catch (error) {
    if (isErrno(error, "ENOENT")) return { result: "missing" };
    const problem = asProblem(error, { target, source: text, option: "" } as LinkSpec);
    return problem.result === "failed" ? problem : { result: "left" };
  }
}

// What a SIGKILL left under the swap name may be newer than what storage has, and storage is not looked at here.
function clear(swap: Swap): string | undefined {
  if (statSwap(swap) === undefined) return undefined;
  if (isOurLink(swap, swap.name)) dropSwap(swap);
  else if (isMissing(swap)) bringBack(swap);
  else return moveAside(swap.place, swap.name);
  return undefined;
}

function takeAway(swap: Swap): { readonly result: "removed" | "missing" | "left" } {
  const found = statPlace(swap.place);
  if (found === undefined) return { result: "missing" };
  if (!isOurLink(swap, swap.place.name)) return { result: "left" };
  // Taken out under the private name first: should a program put a file there in this very moment, it is that file which comes out.
  takeOut(swap);
  if (isOurLink(swap, swap.name)) {
    dropSwap(swap);
    return { result: "removed" };
  }
  bringBack(swap);
  return { result: "left" };
}
