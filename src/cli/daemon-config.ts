// The configuration a command means when none is named: the one the running daemon follows, else the default file.
import { locations } from "../config/locations.ts";
import { ask } from "../daemon/control/client.ts";
import type { StatusReport } from "../daemon/status.ts";

const TIMEOUT_MS = 1_800;

/** `options` with the running daemon's configuration file, unless one is named. */
export async function withDaemonConfig<T extends { readonly config?: string }>(options: T): Promise<T> {
  if (options.config !== undefined) return options;
  try {
    const { configFile } = await ask<StatusReport>(locations(process.env).controlSocket, { command: "status" }, TIMEOUT_MS);
    return configFile === null ? options : { ...options, config: configFile };
  } catch {
    // No daemon, or one that does not answer: the default file says it.
    return options;
  }
}
