// The home side: a link and whatever stands in its place change names in one step, RENAME_EXCHANGE, so the name is never missing and
// what came out can be looked at before it is dropped. If it is not what was expected, it goes back.
//
// The private swap name holds, at any moment a SIGKILL may come: our link (nothing happened yet, or all was undone), or what came out.
import { posix } from "node:path";
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from "../sys/constants.ts";
import { lacksFlags, renameat2, rmdirat, symlinkat } from "../sys/dir.ts";
import { isErrno } from "../sys/errno.ts";
import { cstr, nameText, type CName } from "../sys/name.ts";
import { isDirectory, statAt, type Stat } from "../sys/stat.ts";
import { moveAside } from "./backup.ts";
import { sameInode } from "./known.ts";
import { swapName } from "./private-name.ts";
import { renameNew } from "./rename-new.ts";
import { dropName } from "./stage.ts";
import { linkText, statPlace, type Place } from "../sys/walk.ts";

const UNDO_TRIES = 20;

export interface Swap {
  readonly place: Place;
  readonly name: CName;
  /** What came out is known by this path to whoever looks for its writers. */
  readonly path: string;
  readonly text: string;
}

export function swapOf(place: Place, text: string): Swap {
  const name = swapName(place.name);
  return { place, name, path: posix.join(posix.dirname(place.path), nameText(name)), text };
}

/** What lies under the swap name. */
export const statSwap = (swap: Swap): Stat | undefined => statAt(swap.place.dir, swap.name);

/** Whether `name` in the swap's directory is a link with our text. */
export function isOurLink(swap: Swap, name: CName): boolean {
  return linkText(swap.place.dir, name)?.equals(Buffer.from(swap.text)) === true;
}

/** Puts the link where nothing is; false: something is there by now. */
export function createLink({ place, text }: Swap): boolean {
  try {
    symlinkat(cstr(text), place.dir, place.name);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw error;
  }
}

/**
 * Puts the link in place of what stands there.
 * @returns what came out and now lies under the swap name; undefined if the place was empty or taken again meanwhile: look again.
 */
export function swapIn(swap: Swap): Stat | undefined {
  const { dir, name } = swap.place;
  try {
    symlinkat(cstr(swap.text), dir, swap.name);
  } catch (error) {
    // An undoing that was never let finish left something: `recover` comes first.
    if (isErrno(error, "EEXIST")) return undefined;
    throw error;
  }
  try {
    renameat2(dir, swap.name, dir, name, RENAME_EXCHANGE);
    return statSwap(swap);
  } catch (error) {
    dropName(dir, swap.name);
    if (isErrno(error, "ENOENT")) return undefined;
    if (lacksFlags(error)) return swapInTwoSteps(swap);
    throw error;
  }
}

// For homes without RENAME_EXCHANGE: the name is missing for a moment, but what stood there is never out of hand.
function swapInTwoSteps(swap: Swap): Stat | undefined {
  const { dir, name } = swap.place;
  try {
    renameat2(dir, name, dir, swap.name);
    symlinkat(cstr(swap.text), dir, name);
  } catch (error) {
    if (isErrno(error, "ENOENT", "EEXIST")) return undefined;
    throw error;
  }
  return statSwap(swap);
}

/** Drops what came out. */
export const dropSwap = (swap: Swap): void => dropName(swap.place.dir, swap.name);

/** Drops a directory that came out, if it is still empty. */
export function dropEmptyDirectory(swap: Swap): boolean {
  try {
    rmdirat(swap.place.dir, swap.name);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOTEMPTY", "EEXIST")) return false;
    throw error;
  }
}

/**
 * Puts back what came out. Should a program have replaced what we put there meanwhile, what it put there is newer still and goes back
 * instead, until what comes out is what we had put in: that is what the program has replaced, and it is dropped.
 */
export function putBack(swap: Swap): void {
  // What we put into the place last; undefined: the link.
  let placed: Stat | undefined;
  for (let tries = 0; tries < UNDO_TRIES; tries += 1) {
    const mine = statSwap(swap);
    if (mine === undefined || !exchangeBack(swap)) return;
    const out = statSwap(swap);
    if (out === undefined) return;
    if (placed === undefined ? isOurLink(swap, swap.name) : sameInode(out, placed)) return dropAny(swap);
    placed = mine;
  }
}

// A directory with something in it is not dropped; `recover` dates it.
function dropAny(swap: Swap): void {
  const stat = statSwap(swap);
  if (stat !== undefined && isDirectory(stat)) dropEmptyDirectory(swap);
  else dropSwap(swap);
}

// False if all is done: nothing stood in the place any more.
function exchangeBack(swap: Swap): boolean {
  const { dir, name } = swap.place;
  try {
    renameat2(dir, swap.name, dir, name, RENAME_EXCHANGE);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) {
      bringBack(swap);
      return false;
    }
    if (!lacksFlags(error)) throw error;
    if (isOurLink(swap, name)) renameat2(dir, swap.name, dir, name);
    return false;
  }
}

/** Whether the swap's place is free. */
export const isMissing = (swap: Swap): boolean => statPlace(swap.place) === undefined;

/** Moves what stands in the place to the swap name, which is free, leaving the place free. */
export function takeOut(swap: Swap): void {
  const { dir, name } = swap.place;
  try {
    renameat2(dir, name, dir, swap.name, RENAME_NOREPLACE);
  } catch (error) {
    if (!lacksFlags(error)) throw error;
    renameat2(dir, name, dir, swap.name);
  }
}

/** Undoes `takeOut`. Should the place be taken again, what came out is dated: both stay. */
export function bringBack(swap: Swap): void {
  const { dir, name } = swap.place;
  try {
    renameNew(dir, swap.name, name);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    moveAside(swap.place, swap.name);
  }
}
