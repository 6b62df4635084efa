// The places of a tree where a walk stops (entries that are persisted, mounts), as a trie by name: a directory without landmarks
// costs nothing, and what is mounted is passed over without asking it anything. Names are bytes, kept as latin1 strings: one
// character a byte, so any name has exactly one key.

export interface Landmark {
  /** The walk does not even look at it. */
  stop: boolean;
  readonly children: Map<string, Landmark>;
}

/** The bytes of a UTF-8 path, one character each. */
export const toBytes = (path: string): string => Buffer.from(path, "utf8").toString("latin1");

/** The bytes as UTF-8, odd ones replaced. */
export const toText = (path: string): string => Buffer.from(path, "latin1").toString("utf8");

/** A trie that stops at each of `paths`: bytes, relative. The root itself cannot be stopped at. */
export function makeLandmarks(paths: Iterable<string>): Landmark {
  const root: Landmark = { stop: false, children: new Map() };
  for (const path of paths) {
    const at = landmarkAt(root, path);
    if (at !== root) at.stop = true;
  }
  return root;
}

/** The landmark at `path` (bytes, relative; "" is the root), made if need be. */
export function landmarkAt(root: Landmark, path: string): Landmark {
  let at = root;
  for (const name of path.split("/")) {
    if (name === "") continue;
    let child = at.children.get(name);
    if (child === undefined) {
      child = { stop: false, children: new Map() };
      at.children.set(name, child);
    }
    at = child;
  }
  return at;
}
