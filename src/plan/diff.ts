// (what is wanted, what is there) -> ordered actions and refusals. Pure: the same world gives the same plan, and a world in which a
// plan was carried out gives an empty one. Order: detach deepest first, remove links of ours, make directories, adopt, mount parents
// first, link. Refusing one entry leaves the others alone, except those inside of it.
import { isBelow } from "../config/place.ts";
import { word } from "../shell.ts";
import { Directories } from "./directories.ts";
import { behind, chain, outerOf } from "./lookups.ts";
import { linkObstacle, mountpointObstacle, parentObstacle, rootObstacle, sourceObstacle } from "./obstacles.ts";
import { programObstacle, unmountedObstacle, type Obstacle } from "./obstacles.ts";
import { OwnMounts } from "./own-mounts.ts";
import type { Action, Desired, Found, LinkSpec, MountSpec, Observation, Plan, Refusal, Spec } from "./types.ts";

const MISSING: Found = { type: "missing" };

/** `observation` must hold what `lookups` asks for of `desired`. */
export function makePlan(desired: Desired, observation: Observation): Plan {
  const homeless = rootObstacle(desired.home, observation.home, "home");
  if (homeless !== undefined) {
    const all = [...desired.mounts, ...desired.links].map((spec) => refusal(spec, homeless));
    return { actions: [], refusals: [...desired.refusals, ...all], kept: [], postponed: [] };
  }
  return new Planner(desired, observation).plan();
}

class Planner {
  readonly #desired: Desired;
  readonly #world: Observation;
  readonly #own: OwnMounts;
  readonly #wantedMounts: ReadonlyMap<string, MountSpec>;
  readonly #wantedLinks: ReadonlySet<string>;
  readonly #storage = new Directories("mkdir-storage");
  readonly #home = new Directories("mkdir-home");
  readonly #refusals: Refusal[];
  readonly #refused = new Set<string>();
  readonly #kept: Spec[] = [];
  readonly #postponed = new Set<string>();
  readonly #keptTargets = new Set<string>();
  readonly #adopts: Extract<Action, { type: "adopt" }>[] = [];
  readonly #mounts: Action[] = [];
  readonly #links: Action[] = [];

  constructor(desired: Desired, world: Observation) {
    this.#desired = desired;
    this.#world = world;
    this.#own = new OwnMounts(world.mounts, desired);
    this.#wantedMounts = new Map(desired.mounts.map((spec) => [spec.target, spec]));
    this.#wantedLinks = new Set(desired.links.map(({ target }) => target));
    this.#refusals = [...desired.refusals];
  }

  plan(): Plan {
    for (const spec of this.#desired.mounts) this.#one(spec, this.#mount(spec));
    for (const spec of this.#desired.links) this.#one(spec, this.#link(spec));
    for (const { target, source } of this.#own.stuckLeftovers()) {
      this.#refusals.push({ target, source, option: "(no longer listed)", ...stuck(target) });
    }
    const unmounts = this.#own.leaving().map(({ mount: { target, source }, why }): Action => ({ type: "unmount", target, source, why }));
    const actions = [
      ...unmounts,
      ...this.#unlinks(),
      ...this.#storage.actions(),
      ...this.#home.actions(),
      ...this.#adopts,
      ...this.#mounts,
      ...this.#links,
    ];
    for (const target of this.#world.ownLinks.keys()) if (this.#own.isUnderLeaving(target)) this.#postponed.add(target);
    return { actions, refusals: this.#refusals, kept: this.#kept, postponed: [...this.#postponed].sort() };
  }

  #one(spec: Spec, found: Obstacle | undefined): void {
    if (found === undefined) return;
    this.#refused.add(spec.target);
    this.#refusals.push(refusal(spec, found));
  }

  #mount(spec: MountSpec): Obstacle | undefined {
    const { target } = spec;
    const outer = outerOf(spec, this.#wantedMounts);
    const own = this.#own.at(target);
    if (outer !== undefined && this.#refused.has(outer.target))
      return { reason: `${outer.target}, which it lies in, is refused`, hint: "see there" };
    const obstacle = this.#stuckObstacle(target) ?? this.#storageObstacle(spec) ?? this.#foreignObstacle(spec, own.length > 0);
    if (obstacle !== undefined) return obstacle;
    if (outer === undefined ? this.#own.isUnderLeaving(target) : this.#isUnsettled(outer)) {
      if (own.length > 0) this.#own.leave(target, "nested");
      this.#postponed.add(target);
      return undefined;
    }
    if (own.length > 0) {
      const nested = outer !== undefined && !this.#keptTargets.has(outer.target);
      const flaw =
        this.#own.flaw(spec, this.#world.sources.get(spec.source) ?? MISSING) ??
        (this.#sourceIsMissing(spec) ? "changed" : nested ? "nested" : undefined);
      if (flaw === undefined) {
        this.#keptTargets.add(target);
        this.#kept.push(spec);
        return undefined;
      }
      const below = this.#own.stuckBelow(target);
      if (below !== undefined) return stuck(below);
      this.#own.leave(target, flaw);
    } else {
      const below = this.#own.stuckBelow(target);
      const inTheWay = below === undefined ? (programObstacle(spec, this.#world.program) ?? this.#mountpoint(spec, outer)) : stuck(below);
      // Links of ours that go may be all there is in the way.
      if (inTheWay !== undefined && outer === undefined && this.#holdsLeavingLink(target)) {
        this.#postponed.add(target);
        return undefined;
      }
      if (inTheWay !== undefined) return inTheWay;
      if (this.#postponed.has(target)) return undefined;
    }
    this.#detachInner(target);
    this.#wantSource(spec);
    this.#wantMountpoint(spec, outer);
    this.#mounts.push({ type: "mount", spec });
    return undefined;
  }

  // Inside of it nothing can be known before it is mounted: it waits itself, or is about to be filled.
  #isUnsettled(outer: MountSpec): boolean {
    return this.#postponed.has(outer.target) || this.#adopts.some(({ spec }) => spec === outer);
  }

  // Whatever of ours is mounted below a new mount would be hidden by it.
  #detachInner(target: string): void {
    for (const mount of this.#world.mounts) {
      if (isBelow(mount.target, target) && this.#own.at(mount.target).length > 0) this.#own.leave(mount.target, "nested");
    }
  }

  #mountpoint(spec: MountSpec, outer: MountSpec | undefined): Obstacle | undefined {
    const { target } = spec;
    const place = outer === undefined ? target : behind(outer, target);
    const look = (path: string): Found => (outer === undefined ? this.#standing(path) : (this.#world.sources.get(path) ?? MISSING));
    for (const path of chain(outer?.source ?? this.#desired.home, place)) {
      const found = look(path);
      if (found.type === "missing") return undefined;
      const source = this.#world.sources.get(spec.source) ?? MISSING;
      const obstacle = path === place ? mountpointObstacle(spec, place, found, source) : parentObstacle(path, found);
      if (obstacle !== undefined) return obstacle;
      if (path !== place || found.type !== "directory" || found.empty || spec.onNonEmpty !== "adopt") continue;
      // What lies in the outer one's storage is adopted through its mount.
      if (outer !== undefined && !this.#keptTargets.has(outer.target)) this.#postponed.add(target);
      else this.#adopts.push({ type: "adopt", spec, found });
    }
    return undefined;
  }

  #wantMountpoint(spec: MountSpec, outer: MountSpec | undefined): void {
    if (outer === undefined) return this.#wantHome(spec.target, spec.parentMode);
    // Through a mount that stays the kernel learns of the new directory at once; behind its back it might not believe in it for a while.
    const through = this.#keptTargets.has(outer.target);
    for (const path of chain(outer.target, spec.target)) {
      const found = this.#world.sources.get(behind(outer, path)) ?? MISSING;
      if (found.type !== "missing") continue;
      if (through) this.#home.want(this.#desired.home, path, spec.parentMode, false);
      else this.#storage.want(outer.storage, behind(outer, path), spec.parentMode, false);
    }
  }

  #link(spec: LinkSpec): Obstacle | undefined {
    const { target } = spec;
    const obstacle = this.#stuckObstacle(target) ?? this.#storageObstacle(spec) ?? this.#foreignObstacle(spec, false);
    if (obstacle !== undefined) return obstacle;
    if (this.#own.at(target).length > 0 || this.#own.isUnderLeaving(target)) {
      this.#postponed.add(target);
      return undefined;
    }
    const found = this.#standingBelowParents(target);
    if ("reason" in found) return found;
    if (found.type === "link" && found.text === spec.source) {
      this.#wantSource(spec);
      this.#kept.push(spec);
      return undefined;
    }
    const source = this.#world.sources.get(spec.source) ?? MISSING;
    const inTheWay = linkObstacle(spec, found, this.#world.ownLinks.get(target), source);
    if (inTheWay !== undefined && this.#holdsLeavingLink(target)) {
      this.#postponed.add(target);
      return undefined;
    }
    if (inTheWay !== undefined) return inTheWay;
    this.#wantSource(spec);
    for (const path of chain(this.#desired.home, target).slice(0, -1))
      if (this.#standing(path).type === "missing") this.#home.want(this.#desired.home, path, spec.parentMode, false);
    const ours = this.#world.ownLinks.get(target);
    const plain = replaceable(found) || (found.type === "link" && found.text === ours) || (found.type === "file" && ours === spec.source);
    const adopted = !plain && spec.onConflict === "adopt";
    if (adopted) this.#adopts.push({ type: "adopt", spec, found });
    this.#links.push({ type: "link", spec, found: adopted ? MISSING : found, backup: !plain && spec.onConflict === "backup" });
    return undefined;
  }

  #standingBelowParents(target: string): Found | Obstacle {
    for (const path of chain(this.#desired.home, target)) {
      const found = this.#standing(path);
      if (found.type === "missing" || path === target) return found;
      const obstacle = parentObstacle(path, found);
      if (obstacle !== undefined) return obstacle;
    }
    return MISSING;
  }

  /** What will stand at `path` in the home once mounts and links that leave are gone. */
  #standing(path: string): Found {
    if (this.#own.at(path).length > 0) return { type: "directory", empty: true, names: [] };
    if (chain(this.#desired.home, path).some((above) => this.#isLeavingLink(above))) return MISSING;
    const above = chain(this.#desired.home, path)
      .slice(0, -1)
      .some((parent) => this.#world.targets.get(parent)?.type === "missing");
    return this.#world.targets.get(path) ?? (above ? MISSING : { type: "error", errno: "not observed" });
  }

  #isLeavingLink(path: string): boolean {
    const text = this.#world.ownLinks.get(path);
    const found = this.#world.targets.get(path);
    return !this.#wantedLinks.has(path) && found?.type === "link" && found.text === text;
  }

  // One where a mount is wanted does not count: it goes only if that mount can be made.
  #holdsLeavingLink(target: string): boolean {
    const inside = [...this.#world.ownLinks.keys()].filter((link) => isBelow(link, target));
    return inside.some((link) => this.#isLeavingLink(link) && !this.#wantedMounts.has(link));
  }

  #unlinks(): Action[] {
    const leaving = [...this.#world.ownLinks].filter(([target]) => this.#isLeavingLink(target) && !this.#refused.has(target));
    return leaving.sort(([a], [b]) => (a < b ? -1 : 1)).map(([target, text]) => ({ type: "unlink", target, text }));
  }

  #stuckObstacle(target: string): Obstacle | undefined {
    const path = this.#own.stuckAbove(target);
    return path === undefined ? undefined : stuck(path);
  }

  #storageObstacle(spec: Spec): Obstacle | undefined {
    const bare = this.#world.unmounted.get(spec.storage);
    if (bare !== undefined) return unmountedObstacle(spec.storage, bare);
    const found = this.#world.storages.get(spec.storage) ?? MISSING;
    return rootObstacle(spec.storage, found, "storage") ?? sourceObstacle(spec, this.#world.sources);
  }

  #foreignObstacle(spec: Spec, mounted: boolean): Obstacle | undefined {
    const { target } = spec;
    const found = this.#world.foreignMounts.find((path) => path === target || (!mounted && isBelow(path, target)));
    return found === undefined ? undefined : { reason: `something else is mounted at ${found}`, hint: `unmount it, or remove this entry` };
  }

  #sourceIsMissing(spec: Spec): boolean {
    return chain(spec.storage, spec.source).some((path) => (this.#world.sources.get(path) ?? MISSING).type === "missing");
  }

  #wantSource(spec: Spec): void {
    const file = spec.kind === "link" && spec.what === "file";
    const path = chain(spec.storage, spec.source);
    for (const directory of file ? path.slice(0, -1) : path) {
      if ((this.#world.sources.get(directory) ?? MISSING).type !== "missing") continue;
      const own = directory === spec.source;
      this.#storage.want(spec.storage, directory, own ? spec.mode : spec.parentMode, own);
    }
  }

  #wantHome(target: string, mode: number): void {
    for (const path of chain(this.#desired.home, target))
      if (this.#standing(path).type === "missing") this.#home.want(this.#desired.home, path, mode, false);
  }
}

const replaceable = (found: Found): boolean =>
  found.type === "missing" ||
  (found.type === "directory" && found.empty) ||
  (found.type === "file" && (found.size === 0 || found.same === true));

const refusal = (spec: Spec, { reason, hint }: Obstacle): Refusal => ({
  target: spec.target,
  source: spec.source,
  option: spec.option,
  reason,
  hint,
});

const stuck = (target: string): Obstacle => ({
  reason: `the mount at ${target} does not answer`,
  hint: `look at its storage; to give it up: fusermount3 -uz ${word(target)}, then hmpersist apply`,
});
