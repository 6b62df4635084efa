// `hmpersist orphans` as people see it. Pure: a report in, text out. Every name is shown escaped.
import { formatAge, formatBytes, formatCount } from "../format.ts";
import type { Orphan, OrphansReport, StorageOrphans } from "../review/orphans.ts";
import { printable } from "../sys/text.ts";
import { groupName, unread } from "./ephemeral-table.ts";
import { symbol, table, wrap, type Column, type Style } from "./output.ts";

const COLUMNS: readonly Column[] = [
  { align: "right" },
  { align: "right", drop: 2 },
  { align: "right", drop: 1 },
  { shrink: 18, cut: "middle" },
  { drop: 4, shrink: 12, cut: "middle" },
  { drop: 3, shrink: 8 },
];

/** The whole report, ending in a newline. `now` is milliseconds since 1970. */
export const renderOrphans = (report: OrphansReport, style: Style, now = Date.now()): string =>
  report.storages.length === 0
    ? "the configuration names no storage\n"
    : `${report.storages.map((storage) => renderStorage(storage, style, now).join("\n")).join("\n\n")}\n`;

function renderStorage(report: StorageOrphans, style: Style, now: number): string[] {
  const name = style.paint("bold", printable(report.storage));
  if (report.problem !== null) return wrap(`${symbol("problem", style)} ${name}: ${printable(report.problem)}`, "  ", style);
  const { totals, unreadable } = report;
  const lines =
    totals.groups === 0
      ? wrap(`${symbol("ok", style)} ${name}: nothing that no entry names`, "  ", style)
      : wrap(
          `${name}: no entry names ${formatBytes(totals.bytes)} in ${formatCount(totals.files)} ${totals.files === 1 ? "file" : "files"}`,
          "  ",
          style,
        );
  if (totals.groups > 0) {
    const titles = ["size", "files", report.atime ? "used" : "changed", "what", "would be", "program"];
    const rows = [titles.map((title) => style.paint("dim", title)), ...report.groups.map((group) => cells(group, style, now))];
    lines.push(...table(rows, COLUMNS, style.width));
  }
  if (unreadable.count > 0) {
    lines.push(`${symbol("warning", style)} ${unread(unreadable.count)}`);
    for (const { path, errno } of unreadable.paths.slice(0, 10)) lines.push(...wrap(`  ${printable(path)}: ${errno}`, "    ", style));
  }
  return lines;
}

const cells = (group: Orphan, style: Style, now: number): string[] => [
  formatBytes(group.bytes),
  formatCount(group.files),
  group.used === 0 ? "" : formatAge(now - group.used * 1000),
  style.paint(group.type === "directory" ? "cyan" : "bold", groupName(group)),
  group.target === null ? "" : style.paint("dim", `~/${printable(group.target)}`),
  style.paint("dim", printable(group.program ?? "")),
];
