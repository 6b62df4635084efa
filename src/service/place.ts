// Where the unit lies, and what of it a home on tmpfs would forget at the next boot.
import { join } from "node:path";
import type { MountInfo } from "../sys/mountinfo.ts";
import { WANTED_BY } from "./unit.ts";

export type Scope = "user" | "system";

export interface Place {
  readonly scope: Scope;
  readonly unit: string;
  /** The symlink that enables it. */
  readonly link: string;
}

const NAME = "hmpersist.service";

/** "user": of this user alone. "system": of all users, in a directory that no home holds. */
export function placeOf(scope: Scope, configHome: string): Place {
  const directory = scope === "user" ? join(configHome, "systemd/user") : "/etc/systemd/user";
  return { scope, unit: join(directory, NAME), link: join(directory, `${WANTED_BY}.wants`, NAME) };
}

/** Whether `path` is on a filesystem that is empty after a reboot. */
export function isForgotten(path: string, mounts: readonly MountInfo[]): boolean {
  const holding = mounts.filter(({ mountpoint }) => path === mountpoint || path.startsWith(mountpoint === "/" ? "/" : `${mountpoint}/`));
  // The deepest mount holds the path; of several on one mountpoint the last one listed is on top.
  const top = holding.reduce<MountInfo | undefined>(
    (best, mount) => (best === undefined || mount.mountpoint.length >= best.mountpoint.length ? mount : best),
    undefined,
  );
  return top?.type === "tmpfs" || top?.type === "ramfs";
}
