// `hmpersist status`: asks the daemon; without one, says so and shows what the mount table tells.
import { homeOf, locations } from "../../config/locations.ts";
import { isWithin } from "../../config/place.ts";
import { FSTYPE } from "../../mount/options.ts";
import { listedMounts } from "../../daemon/mount-list.ts";
import type { StatusReport } from "../../daemon/status.ts";
import { EXIT, HmpersistError } from "../../errors.ts";
import { readMountinfo } from "../../sys/mountinfo.ts";
import { VERSION } from "../../version.ts";
import { askNow, isNoDaemon } from "../daemon-config.ts";
import { printJson } from "../json-output.ts";
import { screenSize, style } from "../output.ts";
import { printReport } from "../print.ts";
import { renderStatus } from "../status-table.ts";
import { outputFailure } from "../streams.ts";

export interface StatusOptions {
  readonly json?: true;
  readonly watch?: true;
}

const REFRESH_MS = 1_000;

export async function status(options: StatusOptions): Promise<void> {
  if (options.watch === true && options.json === true) return watch(printJson);
  if (options.watch === true && process.stdout.isTTY) return watch(draw);
  const report = await getStatus();
  printReport(report, options);
  process.exitCode = report.daemon === null ? EXIT.noDaemon : isFine(report) ? EXIT.done : EXIT.partial;
}

const isFine = ({ entries, refusals, problems }: StatusReport): boolean =>
  entries.every((entry) => entry.healthy) && refusals.length === 0 && problems.length === 0;

async function getStatus(): Promise<StatusReport> {
  try {
    return await askNow<StatusReport>("status");
  } catch (error) {
    if (isNoDaemon(error)) return withoutDaemon(error);
    throw error;
  }
}

// Only the mount table is read: a mount that nobody serves would hang whoever looks into it.
function withoutDaemon(error: HmpersistError): StatusReport {
  const listed = new Set(listedMounts(locations(process.env).mountList));
  const home = homeOf(process.env);
  const own = readMountinfo().filter((mount) => mount.type === FSTYPE);
  const left = own.filter((mount) => listed.has(mount.mountpoint) || isWithin(mount.mountpoint, home));
  return {
    version: VERSION,
    daemon: null,
    server: null,
    home,
    configFile: null,
    entries: left.map((mount) => ({
      type: "directory",
      source: mount.source,
      target: mount.mountpoint,
      storage: mount.source,
      method: "fuse",
      engine: null,
      state: "dead",
      healthy: false,
      detail: "no daemon looks after it; 'hmpersist mount' takes it over",
    })),
    refusals: [],
    problems: [`${error.message}; ${error.hint}`],
  };
}

/** Until it is interrupted, or nobody reads any more. */
async function watch(show: (report: StatusReport) => void): Promise<void> {
  while (outputFailure() === undefined) {
    show(await getStatus());
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  }
}

// The screen is rewritten, never cleared: nothing flickers. What does not fit on it is left out at the bottom.
function draw(report: StatusReport): void {
  const { stdout } = process;
  const lines = renderStatus(report, style(stdout)).trimEnd().split("\n");
  const room = Math.max(1, screenSize(stdout).rows - 1);
  const shown = lines.length <= room ? lines : [...lines.slice(0, room - 1), `... ${lines.length - room + 1} more lines`];
  stdout.write(`\x1b[H${shown.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
}
