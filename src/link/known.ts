// Identities: is this still the file that was seen before, and has it changed since?
import type { Stat } from "../sys/stat.ts";
import type { Known, Taken } from "./types.ts";

export const knownOf = (stat: Stat): Known => ({
  dev: stat.dev,
  ino: String(stat.ino),
  size: stat.size,
  mtimeNs: String(stat.mtimeNs),
});

export const sameInode = (a: Stat, b: Stat): boolean => a.dev === b.dev && a.ino === b.ino;

/** The same file with the same content. ctime is left out: a rename changes it. */
export const unchanged = (a: Stat, b: Stat): boolean => sameInode(a, b) && a.size === b.size && a.mtimeNs === b.mtimeNs;

/** Nothing at all happened to it, permissions included. */
export const untouched = (a: Stat, b: Stat): boolean => unchanged(a, b) && a.ctimeNs === b.ctimeNs;

/** The device number is left out: it may differ after a reboot. */
export const isKnown = (stat: Stat, known: Known): boolean =>
  String(stat.ino) === known.ino && stat.size === known.size && String(stat.mtimeNs) === known.mtimeNs;

/** Times are coarse, so a file that was changed just before may change again without a trace. */
const SETTLED_MS = 100;

/** The file of which a snapshot was made at `nowMs`; undefined if nobody could tell whether it changes after. */
export const takenOf = (stat: Stat, nowMs: number): Taken | undefined =>
  BigInt(nowMs - SETTLED_MS) * 1_000_000n > BigInt(stat.ctimeNs) ? { ...knownOf(stat), ctimeNs: String(stat.ctimeNs) } : undefined;

export const isTaken = (stat: Stat, taken: Taken | undefined): boolean =>
  taken !== undefined && isKnown(stat, taken) && String(stat.ctimeNs) === taken.ctimeNs;
