// What a SIGKILL between two steps left under the swap name is sorted out before anything else: nothing is dropped unless storage has
// its content. Which of two is newer is told by ctime, which programs cannot set: the exchange itself set it for what came out.
import { close, openForReading } from "../sys/file.ts";
import { isDirectory, isRegular, isSymlink, statFd, type Stat } from "../sys/stat.ts";
import { moveAside } from "./backup.ts";
import { sameInode } from "./known.ts";
import { sameBytes } from "./observe.ts";
import type { Places } from "./places.ts";
import { stageName } from "./private-name.ts";
import { dropStage, writeStage } from "./stage.ts";
import { bringBack, dropEmptyDirectory, dropSwap, isOurLink, putBack, statSwap } from "./swap.ts";
import { linkText, statPlace, syncDirectory } from "../sys/walk.ts";
import { hasWriter } from "./writers.ts";

/** Leaves the swap name free. */
export function recover(places: Places): void {
  dropStage(places.source);
  const { swap, target } = places;
  const left = statSwap(swap);
  if (left === undefined) return;
  if (isOurLink(swap, swap.name)) return dropSwap(swap);
  const standing = statPlace(target);
  if (standing === undefined) return bringBack(swap);
  // Killed while it was brought back where that takes two steps.
  if (sameInode(standing, left)) return dropSwap(swap);
  const linked = isOurLink(swap, target.name);
  if (isRegular(left)) return recoverFile(places, left, linked);
  if (isDirectory(left) && dropEmptyDirectory(swap)) return;
  if (linked) return putBack(swap);
  // Somebody took the place meanwhile: both stay.
  if (isSymlink(left) && sameLink(places)) return dropSwap(swap);
  moveAside(target, swap.name);
}

function recoverFile(places: Places, left: Stat, linked: boolean): void {
  const { swap, source } = places;
  const stored = statPlace(source);
  const fd = openForReading(swap.place.dir, swap.name);
  try {
    const busy = hasWriter(fd, swap.path);
    if (!busy && isStored(places, fd)) return dropSwap(swap);
    if (linked && (busy || stored === undefined || left.ctimeNs >= stored.ctimeNs)) return putBack(swap);
    // Storage, or what stands in the place now, is newer: this one is kept as a backup in storage.
    writeStage(fd, statFd(fd), source);
    moveAside(source, stageName(source.name));
    syncDirectory(source.dir);
  } finally {
    close(fd);
  }
  dropSwap(swap);
}

/** Whether storage has the bytes of the open file. */
export function isStored({ source }: Places, fd: number): boolean {
  const stored = statPlace(source);
  if (stored === undefined || !isRegular(stored)) return false;
  const other = openForReading(source.dir, source.name);
  try {
    return sameBytes(fd, other);
  } finally {
    close(other);
  }
}

function sameLink({ swap, target }: Places): boolean {
  const left = linkText(target.dir, swap.name);
  return left !== undefined && linkText(target.dir, target.name)?.equals(left) === true;
}
