// Where the unit lies, and what it needs that would not be there at the next boot.
import { join } from "node:path";
import { isWithin } from "../config/place.ts";
import { FSTYPE } from "../mount/options.ts";
import { filesystemOf, VOLATILE } from "../mount/filesystem.ts";
import type { MountInfo } from "../sys/mountinfo.ts";
import { WANTED_BY } from "./unit.ts";

export type Scope = "user" | "system";

export interface Place {
  readonly scope: Scope;
  readonly unit: string;
  /** The symlink that enables it. */
  readonly link: string;
}

/** What the unit is called, whoever installed it. */
export const UNIT = "hmpersist.service";

/** "user": of this user alone. "system": of all users, in a directory that no home holds. */
export function placeOf(scope: Scope, configHome: string): Place {
  const directory = scope === "user" ? join(configHome, "systemd/user") : "/etc/systemd/user";
  return { scope, unit: join(directory, UNIT), link: join(directory, `${WANTED_BY}.wants`, UNIT) };
}

/**
 * Why `path` may not be there when a boot starts the unit: its filesystem is empty by then; it is one that hmpersist has yet to mount;
 * it lies in a home, which may get onto tmpfs later; it lies in the Nix store, where garbage collection takes what nobody refers to.
 */
export type Loss = "volatile" | "mount" | "home" | "store";

/** `path`: absolute; specifiers of units may be in it. */
export function lossOf(path: string, home: string, mounts: readonly MountInfo[]): Loss | undefined {
  const type = filesystemOf(path, mounts)?.type ?? "";
  if (VOLATILE.has(type)) return "volatile";
  if (type === FSTYPE) return "mount";
  if (isWithin(path, home) || /^(\/home\/[^/]|\/root\/|%h)/.test(path)) return "home";
  return path.startsWith("/nix/store/") ? "store" : undefined;
}
