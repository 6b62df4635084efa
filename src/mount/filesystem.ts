// Which filesystem a path is on, by the mount table alone: nothing is touched, so nothing can hang.
import { isWithin } from "../config/place.ts";
import type { MountInfo } from "../sys/mountinfo.ts";

/** Filesystems that are empty after a reboot. */
export const VOLATILE: ReadonlySet<string> = new Set(["tmpfs", "ramfs", "rootfs"]);

/** The mount that `path` (real) is on: the deepest one, and of several on one mountpoint the last one listed, which is on top. */
export function filesystemOf<T extends Pick<MountInfo, "mountpoint">>(path: string, mounts: readonly T[]): T | undefined {
  let found: T | undefined;
  for (const mount of mounts) {
    if (isWithin(path, mount.mountpoint) && mount.mountpoint.length >= (found?.mountpoint.length ?? 0)) found = mount;
  }
  return found;
}
