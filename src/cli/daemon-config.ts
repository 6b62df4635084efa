// What the running daemon says of itself, asked once; and the configuration a command means when none is named: the one it follows, else
// the default file.
import { locations } from "../config/locations.ts";
import { ask } from "../daemon/control/client.ts";
import type { StatusReport } from "../daemon/status.ts";

const TIMEOUT_MS = 1_800;

/** Undefined: no daemon, or one that does not answer. */
export async function daemonStatus(): Promise<StatusReport | undefined> {
  try {
    return await ask<StatusReport>(locations(process.env).controlSocket, { command: "status" }, TIMEOUT_MS);
  } catch {
    return undefined;
  }
}

/** `options` with the running daemon's configuration file, unless one is named. */
export async function withDaemonConfig<T extends { readonly config?: string }>(options: T, status = daemonStatus()): Promise<T> {
  if (options.config !== undefined) return options;
  const configFile = (await status)?.configFile ?? null;
  return configFile === null ? options : { ...options, config: configFile };
}
