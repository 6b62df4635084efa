// All checks, in the order in which one would ask. A check that fails by itself is a finding like any other.
import { userInfo } from "node:os";
import type { Config } from "../config/config.ts";
import { homeOf, locations } from "../config/locations.ts";
import { realHome } from "../config/real-path.ts";
import { ask } from "../daemon/control/client.ts";
import { silentAmong } from "../mount/probe.ts";
import type { StatusReport } from "../daemon/status.ts";
import { HmpersistError } from "../errors.ts";
import { readMountinfo } from "../sys/mountinfo.ts";
import { about, type Check, type Finding } from "./check.ts";
import { entries } from "./entries.ts";
import { allowOther, apparmor, fusermount, mountMax } from "./fuse.ts";
import { device, kernel } from "./kernel.ts";
import { descriptors, inotify } from "./limits.ts";
import { modes } from "./modes.ts";
import { daemon, engine, mounts } from "./running.ts";
import { manager, service } from "./service.ts";
import { configPlace } from "./config-place.ts";
import { home, storage } from "./space.ts";

const CHECKS: readonly (readonly [area: string, checks: readonly Check[]])[] = [
  ["this machine", [kernel, device, fusermount, allowOther, mountMax, apparmor, descriptors, inotify]],
  ["home and storage", [home, storage, modes, entries]],
  ["after a reboot", [configPlace, manager, service]],
  ["now", [daemon, mounts, engine]],
];

export interface DoctorReport {
  readonly areas: readonly { readonly area: string; readonly findings: readonly Finding[] }[];
  readonly counts: { readonly ok: number; readonly warning: number; readonly problem: number; readonly skipped: number };
}

const STATUS_MS = 1500;

/** The configuration to examine. */
export interface Examined {
  /** Undefined: none was named, and no daemon follows one. */
  readonly file: string | undefined;
  /** `file` is null for what was given on a command line. */
  readonly load: () => Promise<{ readonly config: Config; readonly file: string | null }>;
}

export async function examine(env: NodeJS.ProcessEnv, examined: Examined): Promise<DoctorReport> {
  const { config, file, finding } = await readConfig(env, examined);
  const status = await ask<StatusReport>(locations(env).controlSocket, { command: "status" }, STATUS_MS).catch(() => undefined);
  const uid = process.getuid?.() ?? 0;
  const machine = {
    env,
    uid,
    user: nameOf(env, uid),
    home: realHome(config?.home ?? homeOf(env)),
    config,
    mounts: readMountinfo(),
    silent: await silentAmong(config?.storages ?? []),
    status,
    configFile: file,
  };
  const areas = [{ area: "configuration", findings: [finding] }];
  for (const [area, checks] of CHECKS) {
    const findings: Finding[] = [];
    for (const check of checks) {
      try {
        findings.push(...(await check(machine)));
      } catch (error) {
        findings.push(about(area).warning(`a check failed: ${error instanceof Error ? error.message : String(error)}`));
      }
    }
    areas.push({ area, findings });
  }
  const counts = { ok: 0, warning: 0, problem: 0, skipped: 0 };
  for (const { findings } of areas) for (const { verdict } of findings) counts[verdict] += 1;
  return { areas, counts };
}

interface Read {
  readonly config: Config | undefined;
  readonly file: string | undefined;
  readonly finding: Finding;
}

async function readConfig(env: NodeJS.ProcessEnv, { file: named, load }: Examined): Promise<Read> {
  const { ok, warning, problem } = about("configuration");
  try {
    const { config, file } = await load();
    return { config, file: file ?? undefined, finding: ok(file ?? "given on the command line of the daemon") };
  } catch (error) {
    if (!(error instanceof HmpersistError)) throw error;
    if (error.code === "HMP_CONFIG_MISSING" && named === undefined) {
      const way = "write one: hmpersist ephemeral --interactive shows what to put in";
      return { config: undefined, file: undefined, finding: warning(`there is none at ${locations(env).configFile}`, way) };
    }
    // One that does not answer is not looked at again.
    const silent = error.code === "HMP_ENVIRONMENT" ? undefined : named;
    const file = error.code === "HMP_CONFIG_INVALID" ? (named ?? locations(env).configFile) : silent;
    return { config: undefined, file, finding: problem(error.message, error.hint) };
  }
}

// A uid without an entry in the user database is no reason to give up.
function nameOf(env: NodeJS.ProcessEnv, uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return env["USER"] ?? String(uid);
  }
}
