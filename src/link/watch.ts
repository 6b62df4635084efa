// Watches the directories links lie in, by chokidar, and reports which targets something happened to. One watch per directory between
// the home and a link, none below, so a parent that is removed and made again is found by the one above it.
//
// chokidar's own events tell of files that come and go, not of one that takes another's name; its "raw" events are what the kernel said.
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
  #watcher: FSWatcher | undefined;
  /** Watched directories, each with the targets directly in it. */
  #directories = new Map<string, string[]>();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Watches for exactly these targets from now on; resolves when the watches stand. */
  async set(targets: readonly string[]): Promise<void> {
    const wanted = group(this.#options.home, targets);
    const before = this.#directories;
    this.#directories = wanted;
    const added = [...wanted.keys()].filter((directory) => !before.has(directory));
    const dropped = [...before.keys()].filter((directory) => !wanted.has(directory));
    if (this.#watcher === undefined) {
      if (wanted.size > 0) await this.#start();
      return;
    }
    this.#watcher.unwatch(dropped);
    this.#watcher.add(added);
  }

  async close(): Promise<void> {
    const watcher = this.#watcher;
    this.#watcher = undefined;
    this.#directories = new Map();
    await watcher?.close();
  }

  async #start(): Promise<void> {
    const { watch } = await import("chokidar");
    const watcher = watch([...this.#directories.keys()], {
      depth: 0,
      followSymlinks: false,
      ignoreInitial: true,
      atomic: false,
      // Files get no watches of their own: what happens to a name, its directory tells.
      ignored: (path) => !this.#directories.has(path),
    });
    this.#watcher = watcher;
    watcher.on("raw", (_event, name, details) => this.#raw(name, (details as { watchedPath?: string }).watchedPath));
    watcher.on("addDir", (path) => this.#appeared(path));
    watcher.on("error", (error) => this.#error(error));
    await new Promise<void>((resolve) => {
      watcher.once("ready", () => resolve());
      watcher.once("error", () => resolve());
    });
  }

  #raw(name: string | null, directory: string | undefined): void {
    if (directory === undefined) return;
    const targets = this.#directories.get(directory);
    if (targets === undefined) return;
    if (name === null) return this.#options.touched(targets);
    const path = posix.join(directory, name);
    if (targets.includes(path)) this.#options.touched([path]);
    if (this.#directories.has(path)) this.#appeared(path);
  }

  // A directory of ours was made again, so the watch on the old one is worthless; its links are gone with it.
  #appeared(path: string): void {
    const below = [...this.#directories.keys()].filter((directory) => directory === path || directory.startsWith(`${path}/`));
    this.#watcher?.unwatch(below);
    this.#watcher?.add(below);
    this.#options.touched(below.flatMap((directory) => this.#directories.get(directory) ?? []));
  }

  #error(error: unknown): void {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return;
    this.#options.lost(error instanceof Error ? error : new Error(String(error)));
  }
}

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
