// Brings what storage already had into a staged copy of the home's tree. Files of storage come in as hard links, so nothing of them is
// copied and nothing in storage changes until the stage takes its place.
import { linkat, mkdirat } from "../sys/dir.ts";
import type { CName } from "../sys/name.ts";
import { isDirectory, statAt, statFd, type Stat } from "../sys/stat.ts";
import { utimensFd } from "../sys/times.ts";
import { copyAttributes } from "../link/metadata.ts";
import { inDirectory, inWritable, namesIn, removeAll } from "./tree.ts";
import type { Merge } from "./types.ts";

/** Merges the open storage directory into the open staged one. */
export function mergeInto(storage: number, stage: number, merge: Merge): void {
  const stored = statFd(storage);
  const wins = storageWins(merge, stored, statFd(stage));
  inWritable(stage, () => {
    for (const name of namesIn(storage)) mergeName(storage, stage, name, merge);
  });
  if (wins) copyAttributes(storage, stored, stage);
}

function mergeName(storage: number, stage: number, name: CName, merge: Merge): void {
  const stored = statAt(storage, name);
  const staged = statAt(stage, name);
  if (stored === undefined) return;
  if (staged === undefined) bring(storage, name, stored, stage);
  else if (isDirectory(stored) && isDirectory(staged)) {
    inDirectory(storage, name, (from) => inDirectory(stage, name, (to) => mergeInto(from, to, merge)));
  } else if (storageWins(merge, stored, staged)) {
    removeAll(stage, name);
    bring(storage, name, stored, stage);
  }
}

const storageWins = (merge: Merge, stored: Stat, staged: Stat): boolean =>
  merge === "keep-storage" || (merge === "newest" && stored.mtimeNs > staged.mtimeNs);

function bring(storage: number, name: CName, stored: Stat, stage: number): void {
  if (!isDirectory(stored)) return linkat(storage, name, stage, name);
  mkdirat(stage, name, 0o700);
  inDirectory(storage, name, (from) =>
    inDirectory(stage, name, (to) => {
      for (const child of namesIn(from)) {
        const stat = statAt(from, child);
        if (stat !== undefined) bring(from, child, stat, to);
      }
      const { atimeNs, mtimeNs } = statFd(from);
      copyAttributes(from, stored, to);
      utimensFd(to, atimeNs, mtimeNs);
    }),
  );
}
