// Which paths an observer has to look at for a plan, and where a mountpoint really lies. A mountpoint below another mount belongs to
// the storage of that mount, so it is looked for there and never through a mount, which might hang.
import { ancestors, isBelow, join, relativeTo } from "../config/place.ts";
import type { Desired, MountSpec, Spec } from "./types.ts";

export interface Lookups {
  readonly storages: readonly string[];
  /** Parents before children, so that an observer may stop below what is missing. */
  readonly sources: readonly string[];
  readonly targets: readonly string[];
}

/** Everything `makePlan` asks of an observation of `desired`; `ownLinks` are the targets of links made before. */
export function lookups(desired: Desired, ownLinks: Iterable<string> = []): Lookups {
  const storages = new Set<string>();
  const sources = new Set<string>();
  const targets = new Set<string>(ownLinks);
  const mounts = new Map(desired.mounts.map((spec) => [spec.target, spec]));
  for (const spec of [...desired.mounts, ...desired.links]) {
    storages.add(spec.storage);
    for (const path of chain(spec.storage, spec.source)) sources.add(path);
    const outer = outerOf(spec, mounts);
    if (outer === undefined) for (const path of chain(desired.home, spec.target)) targets.add(path);
    else for (const path of chain(outer.source, behind(outer, spec.target))) sources.add(path);
  }
  return { storages: [...storages].sort(), sources: [...sources].sort(), targets: [...targets].sort() };
}

/** The mount that `spec` lies in, the nearest if there are several. */
export const outerOf = (spec: Spec, mounts: ReadonlyMap<string, MountSpec>): MountSpec | undefined =>
  ancestors(spec.target)
    .map((path) => mounts.get(path))
    .find((found) => found !== undefined);

/** Where `target`, a path below the mount `outer`, lies in storage. */
export const behind = (outer: MountSpec, target: string): string => join(outer.source, relativeTo(outer.target, target));

/** The paths below `top` on the way to `path`, and `path`; parents first. */
export const chain = (top: string, path: string): string[] => [
  ...ancestors(path)
    .filter((above) => isBelow(above, top))
    .reverse(),
  path,
];
