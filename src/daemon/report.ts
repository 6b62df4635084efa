// What `status` is told: put together from whoever knows it. Waits for nobody.
import type { ServeStats } from "../engine/engine.ts";
import { FSTYPE } from "../mount/options.ts";
import type { Refusal } from "../plan/types.ts";
import { monotonicMs } from "../sys/clock.ts";
import { readMountinfo } from "../sys/mountinfo.ts";
import { isStopped } from "../sys/process-state.ts";
import { VERSION } from "../version.ts";
import type { Entries, LeftMount } from "./entries.ts";
import type { Observer } from "./observe.ts";
import type { ServerProcess } from "./server-process.ts";
import type { StatusReport } from "./status.ts";

export interface ReportSources {
  readonly server: ServerProcess;
  readonly observer: Observer;
  readonly entries: Entries;
  /** Counters by mountpoint, as far as the server answered. */
  readonly stats: Record<string, ServeStats>;
  /** Of the configuration; undefined as long as none was taken. */
  readonly home: string | undefined;
  readonly configFile: string | null;
  readonly refusals: readonly Refusal[];
  /** What is wrong with the configuration. */
  readonly problems: readonly string[];
  readonly stopping: boolean;
  /** By `monotonicMs`. */
  readonly startedMs: number;
}

export function makeReport(from: ReportSources): StatusReport {
  const { server, observer, entries, refusals, problems } = from;
  const { pid, restarts, deaths, lastDeath, mountpoints } = server;
  const waiting = pid === undefined && mountpoints.length > 0;
  const between = waiting ? [`the server died (${lastDeath ?? "replaced"}); the next one takes over in a moment`] : [];
  const stuck = observer.stuck().map((root) => `${root} does not answer`);
  if (pid !== undefined && isStopped(pid)) stuck.push(`the server was stopped, and every mount waits for it; kill -CONT ${pid}`);
  return {
    version: VERSION,
    daemon: { pid: process.pid, since: Math.round(Date.now() - (monotonicMs() - from.startedMs)), state: stateOf(from) },
    server: pid === undefined ? null : { pid, restarts, deaths, ...(lastDeath === undefined ? {} : { lastDeath }) },
    home: from.home ?? "",
    configFile: from.configFile,
    entries: entries.report(from.stats, (target) => server.engineOf(target), { left: unlisted(from), stuck: server.stuck }),
    refusals,
    problems: [...problems, ...between, ...stuck],
  };
}

/** Mounts that no entry is for: they are in use, or lie in a home that was configured before. */
function unlisted({ home, server, entries, refusals }: ReportSources): LeftMount[] {
  if (home === undefined) return [];
  const refused = new Set(refusals.map(({ target }) => target));
  return readMountinfo().flatMap(({ type, mountpoint, source }): LeftMount[] => {
    const spec = server.specOf(mountpoint);
    const why = entries.leftBecause(mountpoint);
    if (type !== FSTYPE || refused.has(mountpoint) || (spec === undefined && why === undefined)) return [];
    return [{ mountpoint, source, storage: spec?.storage ?? source, why }];
  });
}

function stateOf({ stopping, problems, refusals }: ReportSources): "running" | "degraded" | "stopping" {
  if (stopping) return "stopping";
  return problems.length > 0 || refusals.length > 0 ? "degraded" : "running";
}
