// A world of Maps for tests of planning: observed as a real observer would, changed by actions as `apply` would.
import { ancestors, isBelow, isWithin } from "../../../src/config/place.ts";
import { lookups } from "../../../src/plan/lookups.ts";
import type { Action, Desired, Found, Observation, OwnMount } from "../../../src/plan/types.ts";

type Thing = "directory" | { readonly text: string } | { readonly size: number };

export class World {
  /** What is on disk, mounts aside: a mountpoint's own content, not that of the mount. */
  readonly things = new Map<string, Thing>();
  mounts: OwnMount[] = [];
  readonly ownLinks = new Map<string, string>();
  foreignMounts: string[] = [];
  readonly unmounted = new Map<string, string>();
  program: string[] = [];

  constructor(things: Record<string, Thing>) {
    for (const [path, thing] of Object.entries(things)) this.put(path, thing);
  }

  put(path: string, thing: Thing): void {
    for (const above of ancestors(path)) if (!this.things.has(above)) this.things.set(above, "directory");
    this.things.set(path, thing);
  }

  /** Puts `thing` where a directory or nothing is above it and nothing is yet; says whether it stands there now. */
  putIfPossible(path: string, thing: Thing): boolean {
    const isFree = ancestors(path).every((above) => (this.things.get(above) ?? "directory") === "directory");
    if (!isFree || (this.things.has(path) && (thing !== "directory" || this.things.get(path) !== "directory"))) return false;
    this.put(path, thing);
    return true;
  }

  #behind(path: string): string {
    const mount = this.mounts.filter(({ target }) => isWithin(path, target)).sort((a, b) => b.target.length - a.target.length)[0];
    return mount === undefined ? path : mount.source + path.slice(mount.target.length);
  }

  found(path: string): Found {
    const thing = this.things.get(path);
    if (thing === undefined) return { type: "missing" };
    if (thing !== "directory") return "text" in thing ? { type: "link", text: thing.text } : { type: "file", size: thing.size };
    const names = [...this.things.keys()].filter((other) => ancestors(other)[0] === path).map((other) => other.slice(path.length + 1));
    return { type: "directory", empty: names.length === 0, names };
  }

  observe(desired: Desired): Observation {
    const wanted = lookups(desired, this.ownLinks.keys());
    const look = (paths: readonly string[]): Map<string, Found> => new Map(paths.map((path) => [path, this.found(path)]));
    return {
      home: this.found(desired.home),
      storages: look(wanted.storages),
      unmounted: this.unmounted,
      sources: look(wanted.sources),
      targets: look(wanted.targets.filter((path) => !this.mounts.some(({ target }) => isWithin(path, target)))),
      program: this.program,
      mounts: this.mounts,
      foreignMounts: this.foreignMounts,
      ownLinks: this.ownLinks,
    };
  }

  /** Does what `action` says; throws where the kernel would refuse. */
  apply(action: Action): void {
    const fail = (why: string): never => {
      throw new Error(`${action.type}: ${why}: ${JSON.stringify(action)}`);
    };
    switch (action.type) {
      case "unmount": {
        const index = this.mounts.findLastIndex(({ target }) => target === action.target);
        if (index < 0) fail("not mounted");
        if (this.mounts.some(({ target, health }) => health === "dead" && isBelow(action.target, target))) fail("nobody gets there");
        const inside = this.mounts.filter(({ target }) => isBelow(target, action.target));
        if (inside.length > 0 && action.why !== "dead") fail("busy");
        this.mounts.splice(index, 1);
        this.mounts = this.mounts.filter((mount) => !inside.includes(mount));
        return;
      }
      case "unlink":
        this.things.delete(action.target);
        this.ownLinks.delete(action.target);
        return;
      case "mkdir-storage":
      case "mkdir-home": {
        const path = action.type === "mkdir-home" ? this.#behind(action.path) : action.path;
        const above = ancestors(path)[0];
        if (above !== undefined && this.things.get(above) !== "directory") fail("no parent");
        if (this.things.has(path) && this.things.get(path) !== "directory") fail("in the way");
        this.things.set(path, "directory");
        return;
      }
      case "adopt": {
        const { target, source } = action.spec;
        for (const [path, thing] of this.things) {
          if (!isWithin(path, target)) continue;
          this.things.delete(path);
          this.put(source + path.slice(target.length), thing);
        }
        if (action.spec.kind === "mount") this.things.set(target, "directory");
        return;
      }
      case "mount": {
        const { target, source, cache, allowOther } = action.spec;
        if (this.things.get(this.#behind(target)) !== "directory") fail("no mountpoint");
        if (this.things.get(source) !== "directory") fail("no source");
        if (this.mounts.some((mount) => isWithin(mount.target, target))) fail("hides a mount");
        this.mounts.push({ target, source, cache, allowOther, held: true, health: "served" });
        return;
      }
      case "link": {
        const { target, source } = action.spec;
        const above = ancestors(target)[0] as string;
        if (this.things.get(above) !== "directory") fail("no parent");
        if (!action.backup && JSON.stringify(action.found) !== JSON.stringify(this.found(target))) fail("something else is there");
        if (action.backup) this.put(`/backup${target}`, this.things.get(target) as Thing);
        this.put(target, { text: source });
        this.ownLinks.set(target, source);
        return;
      }
    }
  }
}
