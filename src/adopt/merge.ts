// Brings what storage already had into a staged copy of the home's tree. Files of storage come in as hard links, so nothing of them is
// copied and nothing in storage changes until the stage takes its place.
import { O_CLOEXEC, O_PATH } from "../sys/constants.ts";
import { linkat, mkdirat } from "../sys/dir.ts";
import { SysError } from "../sys/errno.ts";
import { close, openat } from "../sys/file.ts";
import type { CName } from "../sys/name.ts";
import { isDirectory, isSymlink, statAt, statFd, type Stat } from "../sys/stat.ts";
import { utimensFd } from "../sys/times.ts";
import { sameInode } from "../link/known.ts";
import { copyAttributes } from "../link/metadata.ts";
import { inDirectory, inWritable, namesIn, removeAll, walkTree } from "./tree.ts";
import type { Merge } from "./types.ts";

/** Merges the open storage directory into the open staged one, the copy of `home`. */
export function mergeInto(home: number, storage: number, stage: number, merge: Merge): void {
  const stored = statFd(storage);
  const wins = storageWins(merge, stored.mtimeNs, statFd(stage).mtimeNs);
  inWritable(stage, () => {
    for (const name of namesIn(storage)) mergeName(home, storage, stage, name, merge);
  });
  if (wins) copyAttributes(storage, stored, stage);
}

function mergeName(home: number, storage: number, stage: number, name: CName, merge: Merge): void {
  const stored = statAt(storage, name);
  const staged = statAt(stage, name);
  if (stored === undefined) return;
  if (staged === undefined) bring(storage, name, stored, stage);
  else if (isDirectory(stored) && isDirectory(staged)) {
    inDirectory(home, name, (original) =>
      inDirectory(storage, name, (from) => inDirectory(stage, name, (to) => mergeInto(original, from, to, merge))),
    );
  } else if (
    leadsTo(home, name, storage) ||
    (storageWins(merge, latest(storage, name, stored), latest(stage, name, staged)) && !leadsTo(storage, name, home))
  ) {
    removeAll(stage, name);
    bring(storage, name, stored, stage);
  }
}

// A link to what the other side has under the same name never wins: it would lead to itself, and what it led to would be gone.
function leadsTo(from: number, name: CName, to: number): boolean {
  const [link, there] = [statAt(from, name), statAt(to, name)];
  if (link === undefined || there === undefined || !isSymlink(link)) return false;
  try {
    const fd = openat(from, name, O_PATH | O_CLOEXEC);
    try {
      return sameInode(statFd(fd), there);
    } finally {
      close(fd);
    }
  } catch (error) {
    if (error instanceof SysError) return false;
    throw error;
  }
}

// A directory is as new as the newest there is in it.
function latest(dir: number, name: CName, stat: Stat): bigint {
  const times = [stat.mtimeNs];
  if (isDirectory(stat)) inDirectory(dir, name, (fd) => walkTree(fd, (found) => void times.push(found.stat.mtimeNs)));
  return times.reduce((newest, time) => (time > newest ? time : newest));
}

const storageWins = (merge: Merge, stored: bigint, staged: bigint): boolean =>
  merge === "keep-storage" || (merge === "newest" && stored > staged);

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
