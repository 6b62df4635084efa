// Where hmpersist keeps its own files, from the XDG variables alone. Imports nothing heavy: every command starts here.
import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { isAbsolute, join } from "node:path";

export interface Locations {
  readonly configFile: string;
  /** Made by the daemon, 0700; gone after a reboot. */
  readonly runtimeDir: string;
  readonly controlSocket: string;
  readonly lockFile: string;
  /** Where a server whose daemon died offers its mounts to the next one. */
  readonly handoverSocket: string;
  /** What is mounted, for the descriptors that a service manager keeps. */
  readonly mountList: string;
  /** There while the service is being restarted: its mounts are to stay. */
  readonly restartMark: string;
  /** What has to survive a restart of the daemon: the links it made. */
  readonly stateDir: string;
}

/** What to do about a runtime directory that is not this user's. */
export const OWN_RUNTIME = "set XDG_RUNTIME_DIR to a directory of your own";

/** The paths for the user this process runs as. A relative XDG path is ignored, as the specification demands. */
export function locations(env: NodeJS.ProcessEnv): Locations {
  const home = homeOf(env);
  const runtimeDir = runtimeOf(env);
  return {
    configFile: join(absolute(env["XDG_CONFIG_HOME"]) ?? join(home, ".config"), "hmpersist", "config.json"),
    runtimeDir,
    controlSocket: join(runtimeDir, "control.sock"),
    lockFile: join(runtimeDir, "lock"),
    handoverSocket: join(runtimeDir, "handover.sock"),
    mountList: join(runtimeDir, "mounts.json"),
    restartMark: join(runtimeDir, "restarting"),
    stateDir: join(absolute(env["XDG_STATE_HOME"]) ?? join(home, ".local", "state"), "hmpersist"),
  };
}

/** $HOME, or the home of the user database where it is unset; "/", which is refused as a home, for a uid without an entry there. */
export function homeOf(env: NodeJS.ProcessEnv): string {
  const home = absolute(env["HOME"]);
  if (home !== undefined) return home;
  try {
    return userInfo().homedir;
  } catch {
    return "/";
  }
}

// pam_systemd sets XDG_RUNTIME_DIR for a login; a hook run by a system service has none, though /run/user/UID may exist.
function runtimeOf(env: NodeJS.ProcessEnv): string {
  const given = absolute(env["XDG_RUNTIME_DIR"]);
  if (given !== undefined) return join(given, "hmpersist");
  const uid = process.getuid?.() ?? 0;
  const login = `/run/user/${uid}`;
  return existsSync(login) ? join(login, "hmpersist") : `/tmp/hmpersist-${uid}`;
}

const absolute = (path: string | undefined): string | undefined => (path !== undefined && isAbsolute(path) ? path : undefined);
