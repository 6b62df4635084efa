// Whether data can be moved into a storage now, for commands that do so themselves.
import { Observer } from "../daemon/observe.ts";
import { rootObstacle, unmountedObstacle, type Obstacle } from "../plan/obstacles.ts";

/** Why nothing can be put into the storage at `path`; undefined if it is there. */
export async function storageObstacle(path: string): Promise<Obstacle | undefined> {
  const { storages, unmounted } = await new Observer().lookAtStorages({ storages: [path], sources: [] });
  const bare = unmounted.get(path);
  return bare === undefined ? rootObstacle(path, storages.get(path) ?? { type: "missing" }, "storage") : unmountedObstacle(path, bare);
}
