// Where the set-uid fusermount3 is. NixOS keeps it in /run/wrappers/bin; the copy in a Nix store has no set-uid bit and cannot
// mount, so it is passed over, and named when nothing better is found.
import { accessSync, constants, statSync } from "node:fs";
import { join } from "node:path";
import { S_ISUID } from "../sys/constants.ts";
import { HmpersistError } from "../errors.ts";

const NAMES = ["fusermount3", "fusermount"];

export interface Fusermount {
  readonly path: string;
  /** Root needs no set-uid bit. */
  readonly setuid: boolean;
}

/** Every fusermount there is, in the order of preference. */
export function listFusermounts(env: NodeJS.ProcessEnv): Fusermount[] {
  const path = (env["PATH"] ?? "").split(":").filter((dir) => dir.startsWith("/"));
  const dirs = [...new Set(["/run/wrappers/bin", ...path, "/usr/bin", "/bin"])];
  return NAMES.flatMap((name) => dirs.flatMap((dir) => inspect(join(dir, name))));
}

function inspect(path: string): Fusermount[] {
  try {
    accessSync(path, constants.X_OK);
    const stat = statSync(path);
    return stat.isFile() ? [{ path, setuid: (stat.mode & S_ISUID) !== 0 && stat.uid === 0 }] : [];
  } catch {
    return [];
  }
}

/**
 * The fusermount3 to run.
 * @throws HmpersistError HMP_ENVIRONMENT if there is none, or none that an ordinary user can mount with.
 */
export function findFusermount(env: NodeJS.ProcessEnv, root: boolean): string {
  const all = listFusermounts(env);
  const usable = all.find((candidate) => root || candidate.setuid);
  if (usable !== undefined) return usable.path;
  const [useless] = all;
  if (useless === undefined) {
    throw new HmpersistError(
      "HMP_ENVIRONMENT",
      "fusermount3 was not found in /run/wrappers/bin, PATH, /usr/bin or /bin",
      "install it: 'apt install fuse3', 'pacman -S fuse3', or on NixOS programs.fuse.enable = true",
    );
  }
  throw new HmpersistError(
    "HMP_ENVIRONMENT",
    `${useless.path} is not set-uid root, so it cannot mount for an ordinary user`,
    `as root: chown root ${useless.path} && chmod 4755 ${useless.path}; on NixOS programs.fuse.enable = true makes /run/wrappers/bin/fusermount3`,
  );
}
