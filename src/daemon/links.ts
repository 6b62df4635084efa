// The link half of the daemon: puts links in place, takes them away, keeps watch over them.
import type { Log } from "../log.ts";
import type { Desired, LinkSpec } from "../plan/types.ts";
import type { Entries } from "./entries.ts";
import { mkdir, readlink, symlink, unlink, lstat } from "node:fs/promises";
import { dirname } from "node:path";

export class Links {
  readonly #entries: Entries;
  readonly #own = new Map<string, string>();

  constructor(entries: Entries, _log: Log) {
    this.#entries = entries;
  }

  /** Links made by this or an earlier daemon: target -> text. */
  own(): ReadonlyMap<string, string> {
    return this.#own;
  }

  async place(spec: LinkSpec): Promise<void> {
    await mkdir(dirname(spec.source), { recursive: true, mode: 0o700 });
    await mkdir(dirname(spec.target), { recursive: true, mode: spec.parentMode });
    await symlink(spec.source, spec.target);
    await this.check(spec);
  }

  async check(spec: LinkSpec): Promise<void> {
    this.#own.set(spec.target, spec.source);
    const there = await lstat(spec.source).then(
      () => true,
      () => false,
    );
    this.#entries.set(spec.target, there ? "linked" : "dangling");
  }

  async remove(target: string, text: string): Promise<void> {
    if ((await readlink(target)) === text) await unlink(target);
    this.#own.delete(target);
  }

  async watch(_desired: Desired): Promise<void> {}

  async close(): Promise<void> {}
}
