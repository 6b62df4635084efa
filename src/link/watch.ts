// Watches the directories links lie in, by chokidar, and reports which targets something happened to. One watch per directory between
// the home and a link, none below, so a parent that is removed and made again is found by the one above it.
//
// chokidar's own events tell of files that come and go, not of one that takes another's name; its "raw" events are what the kernel said.
// Each directory has a watcher of its own: one that is told to unwatch and to add a path at the same time may end without a watch on it,
// and directories that are made and watched in one breath are what a fresh home consists of.
import { lstat } from "node:fs/promises";
import { posix } from "node:path";
import type { FSWatcher } from "chokidar";
import { isErrno } from "../sys/errno.ts";

export interface WatchOptions {
  readonly home: string;
  /** Something happened at these targets, or may have. */
  readonly touched: (targets: readonly string[]) => void;
  /** Watching is no longer possible, e.g. ENOSPC: whoever cares has to look by itself. */
  readonly lost: (error: Error) => void;
}

export class LinkWatch {
  readonly #options: WatchOptions;
  /** Watched directories, each with the targets directly in it. */
  #directories: ReadonlyMap<string, readonly string[]> = new Map();
  readonly #watchers = new Map<string, FSWatcher>();
  /** Directories to be watched anew; true: what happened there before the watch stands has been seen by nobody. */
  readonly #due = new Map<string, boolean>();
  /** One at a time, since a watcher can only be closed once it stands. */
  #working: Promise<void> | undefined;
  #closed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Watches for exactly these targets from now on; resolves when the watches stand. */
  async set(targets: readonly string[]): Promise<void> {
    const wanted = group(this.#options.home, targets);
    const before = this.#directories;
    this.#directories = wanted;
    for (const directory of [...wanted.keys(), ...before.keys()]) {
      if (wanted.has(directory) !== before.has(directory) && !this.#due.has(directory)) this.#due.set(directory, false);
    }
    await this.#work();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#directories = new Map();
    for (const directory of this.#watchers.keys()) this.#due.set(directory, false);
    await this.#work();
  }

  async #work(): Promise<void> {
    if (this.#due.size > 0) this.#working ??= this.#workOff();
    await this.#working;
  }

  async #workOff(): Promise<void> {
    for (let directory = shortest(this.#due); directory !== undefined; directory = shortest(this.#due)) {
      const unseen = this.#due.get(directory) === true;
      this.#due.delete(directory);
      const old = this.#watchers.get(directory);
      this.#watchers.delete(directory);
      await old?.close();
      // One that is missing is seen to come by the one above it, which is watched already.
      if (this.#directories.has(directory) && (await isDirectory(directory))) await this.#watch(directory);
      if (unseen) this.#options.touched(this.#directories.get(directory) ?? []);
    }
    this.#working = undefined;
  }

  async #watch(directory: string): Promise<void> {
    const { watchDirectory } = await import("./directory-watcher.ts");
    const raw = (name: string | null): void => this.#raw(name, directory);
    this.#watchers.set(directory, await watchDirectory(directory, raw, (error) => this.#error(error)));
  }

  #raw(name: string | null, directory: string): void {
    const targets = this.#directories.get(directory) ?? [];
    if (name === null) return this.#options.touched(targets);
    const path = posix.join(directory, name);
    if (targets.includes(path)) this.#options.touched([path]);
    if (this.#directories.has(path)) this.#changed(path);
  }

  // A directory of ours was made or taken away, so the watches on what was there before are worthless; its links are gone with it.
  #changed(path: string): void {
    for (const directory of this.#directories.keys()) {
      if (directory === path || directory.startsWith(`${path}/`)) this.#due.set(directory, true);
    }
    void this.#work();
  }

  #error(error: unknown): void {
    if (this.#closed || isErrno(error, "ENOENT", "ENOTDIR")) return;
    this.#options.lost(error instanceof Error ? error : new Error(String(error)));
  }
}

/** The parents of a directory come before it. */
function shortest(directories: ReadonlyMap<string, boolean>): string | undefined {
  const [first, ...others] = directories.keys();
  return first === undefined ? undefined : others.reduce((best, other) => (other.length < best.length ? other : best), first);
}

const isDirectory = (path: string): Promise<boolean> =>
  lstat(path).then(
    (stat) => stat.isDirectory(),
    () => false,
  );

/** The directories between the home and the targets, each with the targets in it. */
function group(home: string, targets: readonly string[]): Map<string, string[]> {
  const directories = new Map<string, string[]>([[home, []]]);
  for (const target of targets) {
    let directory = posix.dirname(target);
    directories.set(directory, [...(directories.get(directory) ?? []), target]);
    while (directory !== home && directory.startsWith(`${home}/`)) {
      directory = posix.dirname(directory);
      if (!directories.has(directory)) directories.set(directory, []);
    }
  }
  return directories;
}
