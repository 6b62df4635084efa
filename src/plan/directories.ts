// The directories a plan has to make: each once, parents first. An entry's own mode wins over the mode its path would get as the
// parent of another one, so that a secret child does not make its parents secret, nor an open sibling make it open.
import type { Action } from "./types.ts";

type Kind = "mkdir-storage" | "mkdir-home";

export class Directories {
  readonly #made = new Map<string, { readonly root: string; readonly mode: number; readonly own: boolean }>();
  readonly #kind: Kind;

  constructor(kind: Kind) {
    this.#kind = kind;
  }

  /** Wants `path` below `root`; `own` says that the mode was meant for it, not for a parent. */
  want(root: string, path: string, mode: number, own: boolean): void {
    const before = this.#made.get(path);
    // Of two parents' modes the narrower one: the order of the entries must not matter.
    if (before === undefined || (own && !before.own)) this.#made.set(path, { root, mode, own });
    else if (own === before.own) this.#made.set(path, { root, mode: mode & before.mode, own });
  }

  actions(): Action[] {
    return [...this.#made].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, { root, mode }]) => ({ type: this.#kind, root, path, mode }));
  }
}
