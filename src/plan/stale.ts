// A mount that is served, but from a directory that is not the one in storage any more: gone, replaced, or on a file system that was
// unmounted under it. What is open goes on with the directory it was opened in.
import { rootObstacle, sourceObstacle, unmountedObstacle, type Obstacle } from "./obstacles.ts";
import type { MountSpec, Observation, OwnMount } from "./types.ts";

export function staleness(
  spec: MountSpec,
  mount: Pick<OwnMount, "root">,
  world: Pick<Observation, "storages" | "sources" | "unmounted">,
): Obstacle | undefined {
  const bare = world.unmounted.get(spec.storage);
  if (bare !== undefined) return unmountedObstacle(spec.storage, bare);
  const storage = world.storages.get(spec.storage) ?? { type: "missing" };
  // One that does not answer is reported as such, and may be the same as ever.
  if (storage.type === "error") return undefined;
  const lost = rootObstacle(spec.storage, storage, "storage");
  if (lost !== undefined) return lost;
  const source = world.sources.get(spec.source) ?? { type: "missing" };
  if (source.type === "error") return undefined;
  if (source.type === "missing")
    return { reason: `${spec.source} was removed or renamed`, hint: "put it back; 'hmpersist apply' begins with an empty one" };
  if (isReplaced(mount, source))
    return { reason: `another directory stands at ${spec.source} than the one mounted here`, hint: "'hmpersist apply' mounts it" };
  return sourceObstacle(spec, world.sources);
}

/** Whether the directory at the source is not the one that is served. */
export const isReplaced = (mount: Pick<OwnMount, "root">, source: { readonly type: string; readonly id?: string }): boolean =>
  source.type === "directory" && source.id !== undefined && mount.root !== undefined && source.id !== mount.root;
