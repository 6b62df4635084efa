// `hmpersist status`: asks the daemon; without one, says so and shows what the mount table tells.
import { homeOf } from "../../config/locations.ts";
import type { EntryState, StatusReport } from "../../daemon/status.ts";
import { EXIT, HmpersistError } from "../../errors.ts";
import { probeMounts, type Health } from "../../mount/probe.ts";
import { VERSION } from "../../version.ts";
import { askNow, isNoDaemon } from "../daemon-config.ts";
import { printJson } from "../json-output.ts";
import { leftMounts } from "../left-mounts.ts";
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
    if (isNoDaemon(error)) return await withoutDaemon(error);
    throw error;
  }
}

const STATES: Readonly<Record<Health, EntryState>> = { served: "mounted", dead: "dead", stuck: "stuck", unknown: "dead" };

async function withoutDaemon(error: HmpersistError): Promise<StatusReport> {
  const left = leftMounts();
  // A server outlives its daemon.
  const health = await probeMounts(left.map(({ mountpoint }) => mountpoint));
  return {
    version: VERSION,
    daemon: null,
    server: null,
    home: homeOf(process.env),
    configFile: null,
    entries: left.map((mount) => ({
      type: "directory",
      source: mount.source,
      target: mount.mountpoint,
      storage: mount.source,
      method: "fuse",
      engine: null,
      state: STATES[health.get(mount.mountpoint) ?? "unknown"],
      healthy: false,
      detail: "no daemon looks after it; 'hmpersist mount' takes it over",
    })),
    refusals: [],
    problems: [`${error.message}; ${error.hint}`],
  };
}

/** Until it is interrupted, or nobody reads any more. */
async function watch(show: (report: StatusReport) => void): Promise<void> {
  let last: StatusReport | undefined;
  while (outputFailure() === undefined) {
    last = await getStatus().catch((error: unknown) => withoutAnswer(error, last));
    show(last);
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  }
}

// A daemon that is late, or stopped for a while, ends no watch.
function withoutAnswer(error: unknown, last: StatusReport | undefined): StatusReport {
  const daemon = last?.daemon;
  if (!daemon || !(error instanceof HmpersistError) || error.code !== "HMP_TIMEOUT") throw error;
  return { ...last, daemon: { ...daemon, state: "degraded" }, problems: [`${error.message}; ${error.hint}`] };
}

// The screen is rewritten, never cleared: nothing flickers. What does not fit on it is left out at the bottom.
function draw(report: StatusReport): void {
  const { stdout } = process;
  const lines = renderStatus(report, style(stdout)).trimEnd().split("\n");
  const room = Math.max(1, screenSize(stdout).rows - 1);
  const shown = lines.length <= room ? lines : [...lines.slice(0, room - 1), `... ${lines.length - room + 1} more lines`];
  stdout.write(`\x1b[H${shown.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
}
