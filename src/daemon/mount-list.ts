// The list of what is mounted, beside the control socket: for the daemon that comes after this one, and for commands without a daemon.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { EngineName, ServeSpec } from "../engine/engine.ts";

export interface ListedMount {
  readonly engine: EngineName;
  readonly spec: ServeSpec;
}

/** By the name its descriptors have in the service manager's store. */
export type MountList = Readonly<Record<string, ListedMount>>;

export function readMountList(path: string): MountList {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as MountList;
  } catch {
    // No list, or none that can be read: then nothing is known.
    return {};
  }
}

export function writeMountList(path: string, list: MountList): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, JSON.stringify(list), { mode: 0o600 });
  renameSync(temporary, path);
}

/** The mountpoints the last daemon listed. */
export const listedMounts = (path: string): string[] => Object.values(readMountList(path)).map(({ spec }) => spec.mountpoint);
