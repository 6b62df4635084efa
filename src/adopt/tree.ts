// A directory tree as open descriptors and bytes: no name is decoded, no link followed, nothing entered that is mounted inside.
import { readdirSync } from "node:fs";
import { O_CLOEXEC, O_DIRECTORY, O_NOATIME, O_NOFOLLOW, O_RDONLY } from "../sys/constants.ts";
import { rmdirat, unlinkat } from "../sys/dir.ts";
import { isErrno } from "../sys/errno.ts";
import { chmodFd, fdPath } from "../sys/fd-path.ts";
import { close, openat, openForReading } from "../sys/file.ts";
import { cstr, type CName } from "../sys/name.ts";
import { isDirectory, isRegular, sameMount, statAt, statFd, type Stat } from "../sys/stat.ts";
import { printableBytes } from "../sys/text.ts";
import type { Totals } from "./types.ts";

const DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/** Runs `work` with the directory open for reading. */
export function inDirectory<T>(dir: number, name: CName, work: (fd: number) => T): T {
  const fd = openat(dir, name, DIRECTORY);
  try {
    return work(fd);
  } finally {
    close(fd);
  }
}

/** Runs `work` with the file open for reading; its atime stays where that may be asked for. */
export function withFile<T>(dir: number, name: CName, work: (fd: number) => T): T {
  const fd = openQuietly(dir, name);
  try {
    return work(fd);
  } finally {
    close(fd);
  }
}

function openQuietly(dir: number, name: CName): number {
  try {
    return openForReading(dir, name, O_NOATIME);
  } catch (error) {
    if (!isErrno(error, "EPERM")) throw error;
    return openForReading(dir, name);
  }
}

/** Runs `work`, which makes or removes names in the open directory. One that its owner made read-only is writable meanwhile. */
export function inWritable<T>(fd: number, work: () => T): T {
  const { mode, uid } = statFd(fd);
  const [own, bits] = [uid === process.geteuid?.(), mode & 0o7777];
  if (!own || (bits & OWNER) === OWNER) return work();
  chmodFd(fd, bits | OWNER);
  try {
    return work();
  } finally {
    chmodFd(fd, bits);
  }
}

/** What its owner may do with a directory, at most. */
export const OWNER = 0o700;

/** Names in an open directory, sorted as bytes. */
export const namesIn = (fd: number): CName[] =>
  (readdirSync(fdPath(fd), { encoding: "buffer" }) as Buffer[]).sort((a, b) => a.compare(b)).map((name) => cstr(name));

/** `above/name` for people. */
export const shownPath = (above: string, name: CName): string =>
  `${above === "" ? "" : `${above}/`}${printableBytes(name.subarray(0, -1))}`;

export interface Visit {
  readonly dir: number;
  readonly name: CName;
  readonly stat: Stat;
  readonly shown: string;
}

/** Visits everything below an open directory, directories before what they hold. Throws OtherFilesystem at a mountpoint. */
export function walkTree(fd: number, visit: (found: Visit) => void, above = "", root = statFd(fd)): void {
  for (const name of namesIn(fd)) {
    const stat = statAt(fd, name);
    if (stat === undefined) continue;
    const shown = shownPath(above, name);
    if (!sameMount(stat, root)) throw new OtherFilesystem(shown);
    visit({ dir: fd, name, stat, shown });
    if (isDirectory(stat)) inDirectory(fd, name, (child) => walkTree(child, visit, shown, root));
  }
}

/** Something is mounted inside the tree. */
export class OtherFilesystem extends Error {
  override readonly name = "OtherFilesystem";
  readonly path: string;

  constructor(path: string) {
    super(`something is mounted at ${path}`);
    this.path = path;
  }
}

export function measure(fd: number): Totals {
  let [files, directories, others, bytes] = [0, 0, 0, 0];
  walkTree(fd, ({ stat }) => {
    if (isRegular(stat)) [files, bytes] = [files + 1, bytes + stat.size];
    else if (isDirectory(stat)) directories += 1;
    else others += 1;
  });
  return { files, directories, others, bytes };
}

/** Removes `name` and everything below it; nothing there is no failure. Throws OtherFilesystem at a mountpoint. */
export function removeAll(dir: number, name: CName): void {
  const stat = statAt(dir, name);
  if (stat === undefined) return;
  if (!isDirectory(stat)) return unlinkat(dir, name);
  if (!sameMount(stat, statFd(dir))) throw new OtherFilesystem(shownPath("", name));
  inDirectory(dir, name, (fd) =>
    inWritable(fd, () => {
      for (const child of namesIn(fd)) removeAll(fd, child);
    }),
  );
  rmdirat(dir, name);
}
