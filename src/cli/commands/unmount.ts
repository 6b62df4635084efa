// `hmpersist unmount`: through the daemon, or by itself for what a dead daemon left behind.
import { existsSync } from "node:fs";
import { locations } from "../../config/locations.ts";
import { realEntry } from "../../config/real-path.ts";
import { ask } from "../../daemon/control/client.ts";
import { instanceEnded, lockHolder } from "../../daemon/instance-lock.ts";
import { describeHolders } from "../../daemon/busy.ts";
import { EXIT } from "../../errors.ts";
import { findHolders } from "../../mount/holders.ts";
import { isMounted, unmount as unmountOne } from "../../mount/unmount.ts";
import { printable } from "../../sys/text.ts";
import { openDirectory } from "../../sys/walk.ts";
import { daemonStatus, isNoDaemon } from "../daemon-config.ts";
import { printJson } from "../json-output.ts";
import { leftMounts } from "../left-mounts.ts";
import { absolute } from "../working-directory.ts";

export interface UnmountOptions {
  readonly json?: true;
  readonly lazy: boolean;
  readonly leftovers: boolean;
}

interface Result {
  readonly unmounted: readonly string[];
  readonly busy: Readonly<Record<string, string>>;
  /** That the daemon has not ended although it has nothing left. */
  readonly daemon?: string;
}

const TIMEOUT_MS = 60_000;
const DAEMON_END_MS = 10_000;

export async function unmount(targets: readonly string[], options: UnmountOptions): Promise<void> {
  if (options.leftovers && comesBack()) return;
  const paths = targets.map((target) => realEntry(absolute(target)));
  const result = options.leftovers ? await leftovers(paths, true) : await throughDaemon(paths, options.lazy);
  const strange = paths.filter((path) => !result.unmounted.includes(path) && result.busy[path] === undefined);
  print({ ...result, strange }, options);
  const other = strange.length > 0 ? EXIT.usage : result.daemon === undefined ? EXIT.done : EXIT.partial;
  process.exitCode = isBusy(result) ? EXIT.busy : other;
}

const isBusy = (result: Result): boolean => Object.keys(result.busy).length > 0;

// For ExecStopPost=: systemd says how the service ended, and the daemon leaves a mark when it is being restarted. In both cases the mounts
// wait, with their descriptors in systemd's store, for the daemon that is started next.
function comesBack(): boolean {
  const { SERVICE_RESULT: result = "success" } = process.env;
  return result !== "success" || existsSync(locations(process.env).restartMark);
}

async function throughDaemon(targets: readonly string[], lazy: boolean): Promise<Result> {
  const { controlSocket, lockFile } = locations(process.env);
  try {
    const request = { command: "unmount", lazy, ...(targets.length === 0 ? {} : { targets }) } as const;
    const result = await ask<Result>(controlSocket, request, TIMEOUT_MS);
    // The daemon ends once it has nothing left: whoever starts the next one right after this command must not find it still there.
    if (targets.length > 0 || isBusy(result) || (await instanceEnded(lockFile, DAEMON_END_MS))) return result;
    const problems = (await daemonStatus())?.problems ?? [];
    const pid = lockHolder(lockFile) ?? "unknown";
    return { ...result, daemon: [`the daemon (pid ${pid}) has not ended yet`, ...problems].join("; ") };
  } catch (error) {
    if (!isNoDaemon(error)) throw error;
    return leftovers(targets, lazy);
  }
}

// Deepest first.
async function leftovers(targets: readonly string[], lazy: boolean): Promise<Result> {
  const ours = leftMounts().map(({ mountpoint }) => mountpoint);
  const wanted = ours.filter((target) => targets.length === 0 || targets.includes(target));
  const unmounted: string[] = [];
  const busy: Record<string, string> = {};
  for (const target of wanted.sort((a, b) => b.length - a.length)) {
    // The kernel's name for a mountpoint has no links.
    const result = await unmountOne(target, lazy, async (path) => openDirectory("/", path));
    if (result !== "unmounted") busy[target] = result === "busy" ? describeHolders(findHolders(target)) : result.failed;
  }
  // A mount in a dead one cannot be reached, and goes with that.
  for (const target of wanted) {
    if (busy[target] !== undefined && isMounted(target)) continue;
    delete busy[target];
    unmounted.push(target);
  }
  return { unmounted, busy };
}

function print(result: Result & { readonly strange: readonly string[] }, options: UnmountOptions): void {
  if (options.json === true) {
    printJson(result);
    return;
  }
  process.stdout.write(`${result.unmounted.length} unmounted\n`);
  for (const path of result.strange) process.stderr.write(`${printable(path)}: no mount of hmpersist; 'hmpersist status' lists them\n`);
  for (const [target, why] of Object.entries(result.busy)) process.stderr.write(`${printable(target)}: ${printable(why)}\n`);
  if (isBusy(result)) process.stderr.write("  hint: end these programs, or 'hmpersist unmount --lazy' detaches the mounts now\n");
  if (result.daemon === undefined) return;
  process.stderr.write(`${printable(result.daemon)}\n  hint: it ends when its storages answer; no other one can be started before\n`);
}
