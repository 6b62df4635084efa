// `hmpersist status` as people see it: a heading, one group per storage, one line per entry, what is wrong right below its entry, and
// the sum at the end. Pure: a report in, text out.
import type { EntryState, EntryStatus, StatusReport } from "../daemon/status.ts";
import type { Refusal } from "../plan/types.ts";
import { printable } from "../sys/text.ts";
import { ago, formatAge, formatBytes, formatCount } from "../format.ts";
import { healthColour, symbol, table, wrap, type Column, type Health, type Style } from "./output.ts";

const HEALTH: Record<EntryState, Health> = {
  mounted: "ok",
  linked: "ok",
  healed: "ok",
  dangling: "unknown",
  pending: "unknown",
  refused: "warning",
  conflicted: "warning",
  unlisted: "warning",
  dead: "problem",
  stale: "problem",
  stuck: "problem",
  missing: "problem",
};

const COLUMNS: readonly Column[] = [
  {},
  { shrink: 26, cut: "middle" },
  {},
  { drop: 2 },
  { align: "right", drop: 3 },
  { align: "right", drop: 6 },
  { align: "right", drop: 4 },
  { align: "right", drop: 4 },
  { align: "right", drop: 1 },
];
const TITLES = ["", "", "", "served by", "requests", "cache hits", "read", "written", "errors"];

/** The whole report, ending in a newline. `now` is milliseconds since 1970. */
export function renderStatus(report: StatusReport, style: Style, now = Date.now()): string {
  const storages = [...new Set(report.entries.map((entry) => entry.storage))];
  const groups = storages.map((storage) => report.entries.filter((entry) => entry.storage === storage));
  const ordered = groups.flat();
  const cells = ordered.map((entry) => entryCells(entry, report.home, style));
  // A column that holds nothing but its title is none.
  const heads = TITLES.map((title, index) => (cells.some((row) => row[index] !== "") ? style.paint("dim", title) : ""));
  const [titles, ...rows] = table([heads, ...cells], COLUMNS, style.width);
  const hints = new Map(report.refusals.map((refusal) => [refusal.target, refusal]));
  const lines = heading(report, style, now);
  if (titles?.trim() && ordered.some((entry) => entry.stats)) lines.push("", titles);
  let next = 0;
  for (const group of groups) {
    lines.push("", groupHeading(group, style));
    for (const entry of group) {
      lines.push(rows[next] ?? "");
      next += 1;
      lines.push(...details(entry, hints.get(entry.target), style, now));
    }
  }
  const shown = new Set(ordered.map((entry) => entry.target));
  const others = report.refusals.filter((refusal) => !shown.has(refusal.target));
  if (others.length > 0) lines.push("", style.paint("bold", "refused"));
  for (const refusal of others) {
    lines.push(`${symbol("warning", style)}  ${tilde(refusal.target, report.home)}`, ...refusalLines(refusal, style));
  }
  return `${[...lines, "", ...summary(report, style)].join("\n")}\n`;
}

function heading(report: StatusReport, style: Style, now: number): string[] {
  const { daemon, server } = report;
  const lines = [style.paint("bold", `hmpersist ${report.version}`)];
  if (daemon === null) {
    lines.push(`daemon  ${style.paint("yellow", "not running")}`);
  } else {
    const colour = daemon.state === "running" ? "green" : "yellow";
    lines.push(`daemon  ${style.paint(colour, daemon.state)} for ${formatAge(now - daemon.since)}, pid ${daemon.pid}`);
    if (server !== null) {
      const restarts = server.restarts === 0 ? "" : style.paint("yellow", `, restarted ${times(server.restarts)}`);
      const died = server.deaths === 0 ? "" : style.paint("yellow", `, died ${times(server.deaths)} (last: ${server.lastDeath})`);
      lines.push(`server  pid ${server.pid}${restarts}${died}`);
    }
  }
  lines.push(`home    ${printable(report.home)}`);
  // Without a daemon nobody has looked for one.
  if (daemon !== null)
    lines.push(`config  ${report.configFile === null ? "given on its command line" : tilde(report.configFile, report.home)}`);
  return lines.flatMap((line) => wrap(line, "        ", style));
}

function groupHeading(group: readonly EntryStatus[], style: Style): string {
  const storage = printable(group[0]?.storage ?? "");
  const bad = group.filter((entry) => !entry.healthy).length;
  const sum = bad === 0 ? style.paint("green", `${group.length} fine`) : style.paint("yellow", `${bad} of ${group.length} not fine`);
  return table([[style.paint("bold", storage), sum]], [{ shrink: 10, cut: "middle" }, {}], style.width)[0] ?? "";
}

function entryCells(entry: EntryStatus, home: string, style: Style): string[] {
  // An entry the daemon calls unhealthy is never shown as fine, whatever its state is called.
  const named = HEALTH[entry.state];
  const health = !entry.healthy && (named === "ok" || named === "unknown") ? "warning" : named;
  const stats = entry.stats;
  const by = entry.method === "fuse" ? [entry.engine ?? "fuse", entry.cache ?? ""].join(" ").trim() : entry.method === "bind" ? "bind" : "";
  return [
    symbol(health, style),
    tilde(entry.target, home) + (entry.type === "directory" ? "/" : ""),
    style.paint(healthColour(health), entry.state),
    style.paint("dim", by),
    stats ? formatCount(stats.requests) : "",
    stats?.cacheHits === undefined ? "" : formatCount(stats.cacheHits),
    stats ? formatBytes(stats.bytesRead) : "",
    stats ? formatBytes(stats.bytesWritten) : "",
    stats ? (stats.errors === 0 ? style.paint("dim", "0") : style.paint("yellow", formatCount(stats.errors))) : "",
  ];
}

function details(entry: EntryStatus, refusal: Refusal | undefined, style: Style, now: number): string[] {
  const lines: string[] = [];
  if (refusal !== undefined) lines.push(...refusalLines(refusal, style));
  else if (entry.detail !== undefined) lines.push(...wrap(`   ${printable(entry.detail)}`, "   ", style));
  if (entry.healed !== undefined && entry.healed.count > 0) {
    lines.push(...wrap(`   mended ${times(entry.healed.count)}, last ${ago(now - entry.healed.last)}`, "   ", style));
  }
  for (const backup of entry.backups ?? []) lines.push(...wrap(`   kept ${printable(backup)}`, "   ", style));
  return lines;
}

const refusalLines = (refusal: Refusal, style: Style): string[] => [
  ...wrap(`   ${printable(refusal.reason)}`, "   ", style),
  ...wrap(`   ${style.paint("cyan", printable(refusal.hint))}`, "   ", style),
];

function summary(report: StatusReport, style: Style): string[] {
  const counts = new Map<EntryState, number>();
  for (const { state } of report.entries) counts.set(state, (counts.get(state) ?? 0) + 1);
  const parts = [...counts].map(([state, count]) => style.paint(healthColour(HEALTH[state]), `${count} ${state}`));
  const lines = [`${report.entries.length} entries${parts.length > 0 ? `: ${parts.join(", ")}` : ""}`];
  for (const problem of report.problems) lines.push(`${symbol("problem", style)}  ${printable(problem)}`);
  return lines.flatMap((line) => wrap(line, "   ", style));
}

const times = (count: number): string => (count === 1 ? "once" : `${count} times`);

/** `path` with the home shortened to "~", safe to print. */
export const tilde = (path: string, home: string): string =>
  path === home ? "~" : printable(path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path);
