// What a command asks of the running daemon before it begins: what it says of itself, and which configuration it follows, which is what a
// command means that names none.
import { locations } from "../config/locations.ts";
import { ask } from "../daemon/control/client.ts";
import type { ControlRequest, Followed } from "../daemon/control/protocol.ts";
import type { StatusReport } from "../daemon/status.ts";
import { HmpersistError } from "../errors.ts";
import type { Settings } from "./settings.ts";

const TIMEOUT_MS = 1_800;

/** @throws HmpersistError HMP_NO_DAEMON, or HMP_TIMEOUT that says what keeps the daemon from answering. */
export async function askNow<T>(command: "status" | "settings"): Promise<T> {
  const { controlSocket, lockFile } = locations(process.env);
  const request: ControlRequest = { command };
  try {
    return await ask<T>(controlSocket, request, TIMEOUT_MS);
  } catch (error) {
    if (!(error instanceof HmpersistError) || error.code !== "HMP_TIMEOUT") throw error;
    // Loads koffi, which a daemon that answers makes needless.
    const silent = (await import("../daemon/silent.ts")).silentDaemon(lockFile);
    if (silent?.stopped !== true) throw error;
    const { pid } = silent;
    throw new HmpersistError("HMP_TIMEOUT", `the daemon (pid ${pid}) was stopped; the mounts go on without it`, `kill -CONT ${pid}`);
  }
}

/** Whether nobody answers because nobody is there. */
export const isNoDaemon = (error: unknown): error is HmpersistError => error instanceof HmpersistError && error.code === "HMP_NO_DAEMON";

/** Undefined: no daemon, or one that does not answer. */
export async function daemonStatus(): Promise<StatusReport | undefined> {
  return askNow<StatusReport>("status").catch(() => undefined);
}

/** What the running daemon reads its configuration from. @throws HmpersistError as `askNow` does. */
export async function followedSettings(): Promise<Settings> {
  const { settings, file } = await askNow<Followed>("settings");
  const started = settings as Settings;
  return file === null ? started : { config: file, home: started.home, directory: [], file: [] };
}

/**
 * What a command reads its configuration from: the file it is given, else what the running daemon follows, else the default file.
 * @throws HmpersistError HMP_TIMEOUT if a daemon runs and does not say what it follows.
 */
export async function settingsFor({ config, home }: { readonly config?: string; readonly home?: string }): Promise<Settings> {
  const named: Settings = { config, home, directory: [], file: [] };
  if (config !== undefined) return named;
  try {
    const followed = await followedSettings();
    return { ...followed, home: home ?? followed.home };
  } catch (error) {
    if (isNoDaemon(error)) return named;
    throw error;
  }
}
