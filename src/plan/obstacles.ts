// What can be in the way of an entry, in words: each answer is undefined (nothing is) or a reason and a way out.
import { word } from "../shell.ts";
import { isWithin } from "../config/place.ts";
import { chain } from "./lookups.ts";
import type { Found, LinkSpec, MountSpec, Observation, Refusal, Spec } from "./types.ts";

export type Obstacle = Pick<Refusal, "reason" | "hint">;

const obstacle = (reason: string, hint: string): Obstacle => ({ reason, hint });

/** The home or a persistentStoragePath has to be a directory that is there: one that is made would be lost with the tmpfs. */
export function rootObstacle(path: string, found: Found, what: "home" | "storage"): Obstacle | undefined {
  if (found.type === "directory") return undefined;
  if (found.type === "error") return unreadable(path, found.errno);
  if (found.type === "link" && what === "home")
    return obstacle(`the home ${path} is a symbolic link`, `set home to the path it leads to: ${found.text}`);
  if (found.type === "missing" || found.type === "link") {
    return obstacle(
      `the ${what} ${path} does not exist`,
      what === "home" ? "create it, or correct the option home" : "mount or create it; it is never created here",
    );
  }
  return obstacle(`the ${what} ${path} is not a directory`, "correct the path");
}

/** A storage on a disk that is not mounted: what stands at its path is the bare mountpoint. */
export const unmountedObstacle = (storage: string, mountpoint: string): Obstacle =>
  obstacle(
    `the storage ${storage} is not there: nothing is mounted at ${mountpoint}`,
    "mount it; if its data have moved for good, correct /etc/fstab and restart hmpersist",
  );

/** What lies in storage must fit the list the entry is in. */
export function sourceObstacle(spec: Spec, sources: Observation["sources"]): Obstacle | undefined {
  const isFile = spec.kind === "link" && spec.what === "file";
  for (const path of chain(spec.storage, spec.source)) {
    const found = sources.get(path) ?? { type: "missing" };
    if (found.type === "missing") return undefined;
    if (found.type === "error") return unreadable(path, found.errno);
    if (found.type === "link" && !(isFile && path === spec.source))
      return obstacle(`${path} is a link to nothing`, `create ${found.text}, or remove the link`);
    if (path !== spec.source || !isFile) {
      if (found.type !== "directory")
        return obstacle(`${path} is not a directory`, path === spec.source ? "list it under files" : "rename one of the two");
    } else if (found.type === "directory") return obstacle(`${path} is a directory`, "list it under directories");
  }
  return undefined;
}

/** Whoever runs from a mount cannot start the server that the mount waits for. */
export function programObstacle(spec: Spec, program: readonly string[]): Obstacle | undefined {
  const inside = spec.kind === "mount" && spec.method === "fuse" ? program.find((path) => isWithin(path, spec.target)) : undefined;
  if (inside === undefined) return undefined;
  return obstacle(`hmpersist runs from it (${inside})`, 'set method "symlink" for it, or run hmpersist from outside of it');
}

/** A parent of a target: a link would let the entry land elsewhere. */
export function parentObstacle(path: string, found: Found): Obstacle | undefined {
  if (found.type === "directory" || found.type === "missing") return undefined;
  if (found.type === "error") return unreadable(path, found.errno);
  if (found.type === "link")
    return obstacle(`${path}, which it lies in, is a symbolic link`, `replace the link (to ${found.text}) by a directory`);
  return obstacle(`${path}, which it lies in, is not a directory`, "move it away");
}

/** What stands where a mount is to be made; an empty directory, or none, is right. `place` is where the mountpoint really lies. */
export function mountpointObstacle(spec: MountSpec, place: string, found: Found, source: Found): Obstacle | undefined {
  if (found.type === "missing") return undefined;
  if (found.type === "error") return unreadable(place, found.errno);
  if (found.type === "link") return obstacle(`${place} is a symbolic link to ${found.text}`, "remove the link");
  if (found.type !== "directory") return obstacle(`${place} is not a directory`, "move it away, or list it under files");
  if (found.empty || spec.onNonEmpty === "shadow") return undefined;
  if (spec.onNonEmpty === "adopt") return adoptObstacle(spec, place, source);
  const hint = `move them into ${spec.source} (hmpersist adopt ${word(spec.target)}), or set onNonEmpty`;
  return obstacle(`${place} is not empty: it holds ${list(found.names)}`, hint);
}

/** What stands where a link is to be made. */
export function linkObstacle(spec: LinkSpec, found: Found, ownText: string | undefined, source: Found): Obstacle | undefined {
  const { target, what, onConflict } = spec;
  switch (found.type) {
    case "missing":
      return undefined;
    case "error":
      return unreadable(target, found.errno);
    case "other":
      return obstacle(`${target} is neither file nor directory`, "move it away");
    case "link":
      if (found.text === ownText || onConflict === "backup") return undefined;
      return obstacle(
        `${target} is a link to ${found.text}`,
        what === "file" ? 'remove the link, or set onConflict to "backup"' : "remove the link",
      );
    case "directory":
      if (what === "file") return obstacle(`${target} is a directory`, "move it away, or list it under directories");
      if (found.empty) return undefined;
      if (onConflict === "adopt") return adoptObstacle(spec, target, source);
      return obstacle(
        `${target} is not empty: it holds ${list(found.names)}`,
        `move them into ${spec.source} (hmpersist adopt ${word(target)})`,
      );
    case "file":
      if (what === "directory") return obstacle(`${target} is a file`, "move it away, or list it under files");
      // A program replaced our link: healing it is no conflict.
      if (ownText === spec.source) return undefined;
      if (found.size === 0 || found.same === true || onConflict === "backup") return undefined;
      if (onConflict === "adopt") return adoptObstacle(spec, target, source);
      return obstacle(
        `a file is in the way at ${target} (${found.size} bytes)`,
        `move it into storage (hmpersist adopt ${word(target)}), or set onConflict`,
      );
  }
}

function adoptObstacle(spec: Spec, place: string, source: Found): Obstacle | undefined {
  const free = source.type === "missing" || (source.type === "directory" ? source.empty : source.type === "file" && source.size === 0);
  return free ? undefined : obstacle(`both ${place} and ${spec.source} hold data`, "merge them by hand: neither is overwritten");
}

const unreadable = (path: string, errno: string): Obstacle =>
  obstacle(`${path} cannot be looked at: ${errno}`, HINTS[errno] ?? "see `hmpersist doctor`");

const HINTS: Record<string, string> = {
  EXDEV: "a link there leads out of the storage: list what it leads to as a storage of its own",
  EACCES: "make it and the directories above it readable for this user",
  ELOOP: "break the loop of symbolic links",
  EIO: "look at the disk: the kernel's log says more",
  ENOTCONN: "a mount there has lost its server: unmount it",
};

function list(names: readonly string[]): string {
  const shown = names.slice(0, 3);
  return shown.join(", ") + (names.length > shown.length ? ", ..." : "");
}
