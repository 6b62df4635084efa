// `hmpersist ephemeral` as people see it. Pure: a report in, text out. Every name is shown escaped.
import stringWidth from "string-width";
import { ago, formatAge, formatBytes, formatCount } from "../format.ts";
import type { EphemeralGroup, EphemeralReport } from "../review/ephemeral.ts";
import { printable } from "../sys/text.ts";
import { symbol, table, wrap, type Column, type Style } from "./output.ts";

const COLUMNS: readonly Column[] = [
  { align: "right" },
  { align: "right", drop: 2 },
  { align: "right", drop: 1 },
  { shrink: 18, cut: "middle" },
  { drop: 3, shrink: 8 },
];

/** The whole report, ending in a newline. `now` is milliseconds since 1970. */
export function renderEphemeral(report: EphemeralReport, style: Style, now = Date.now()): string {
  const lines = isAllKept(report) || report.groups.length > 0 ? wrap(headline(report, style, now), "", style) : [];
  for (const line of forgetful(report)) lines.push(...wrap(`${symbol("problem", style)} ${line}`, "  ", style));
  const { filesystem } = report;
  if (!filesystem.volatile) {
    lines.push(
      ...wrap(
        `${symbol("warning", style)} the home is on ${filesystem.type}, not on a tmpfs: a reboot alone loses nothing of this`,
        "  ",
        style,
      ),
    );
  }
  if (report.groups.length > 0) {
    const titles = ["size", "files", "newest", "what", "program"].map((title) => style.paint("dim", title));
    const [head = "", ...rows] = table([titles, ...report.groups.map((group) => cells(group, style, now))], COLUMNS, style.width);
    lines.push("", head);
    report.groups.forEach((group, index) => {
      const row = rows[index] ?? "";
      lines.push(row);
      if (group.note === null) return;
      const indent = " ".repeat(Math.max(0, stringWidth(row.slice(0, row.indexOf("~/")))));
      lines.push(...wrap(style.paint("yellow", group.note), indent, style, indent));
    });
  }
  const notes = footnotes(report, now);
  if (notes.length > 0) lines.push("", ...notes.flatMap((note) => wrap(style.paint("dim", note), "  ", style)));
  const { count, paths } = report.unreadable;
  if (count > 0) {
    lines.push("", `${symbol("warning", style)} ${unread(count)}`);
    for (const { path, errno } of paths.slice(0, 10)) lines.push(...wrap(`  ~/${printable(path)}: ${errno}`, "    ", style));
    if (count > 10) lines.push(`  and ${count - 10} more`);
  }
  return `${lines.join("\n")}\n`;
}

/** The path of a group, with what it is. */
export const groupName = ({ path, type }: Pick<EphemeralGroup, "path" | "type">): string =>
  printable(path) + { directory: "/", file: "", link: "", others: "/... (others)" }[type];

/** Whether nothing would be gone, as far as could be seen. */
export const isAllKept = ({ groups, volatileStorages }: EphemeralReport): boolean => groups.length === 0 && volatileStorages.length === 0;

/** Of each storage that is lost itself, a line. */
export const forgetful = ({ volatileStorages }: EphemeralReport): string[] =>
  volatileStorages.map((path) => `the storage ${printable(path)} is on a tmpfs: what is kept there is gone at reboot as well`);

export const unread = (count: number): string => `${count === 1 ? "one place" : `${count} places`} could not be read`;

function headline({ groups, totals, smaller, baseline }: EphemeralReport, style: Style, now: number): string {
  const what =
    baseline === null ? "would be gone at reboot" : `is new or changed since the baseline taken ${ago(now - baseline.taken)}, and not kept`;
  if (groups.length === 0) return `${symbol("ok", style)} nothing ${smaller > 0 ? "of that size " : ""}${what}`;
  const sum = style.paint("bold", `${formatBytes(totals.bytes)} in ${formatCount(totals.files)} ${totals.files === 1 ? "file" : "files"}`);
  return `${sum} ${what}`;
}

function cells(group: EphemeralGroup, style: Style, now: number): string[] {
  const seen =
    group.appeared + group.changed > 0 ? `${formatCount(group.appeared)}+${formatCount(group.changed)}` : formatCount(group.files);
  return [
    formatBytes(group.bytes),
    seen,
    formatAge(now - group.newest * 1000),
    style.paint(group.type === "directory" ? "cyan" : "bold", `~/${groupName(group)}`),
    style.paint("dim", printable(group.program ?? "")),
  ];
}

function footnotes(report: EphemeralReport, now: number): string[] {
  const { skipped, smaller, baseline, saved } = report;
  const passed = [
    skipped.ignored > 0 ? `${formatCount(skipped.ignored)} ignored (--all shows them)` : "",
    skipped.keptLinks > 0 ? `${formatCount(skipped.keptLinks)} ${skipped.keptLinks === 1 ? "link" : "links"} to what is kept` : "",
    smaller > 0 ? `${formatCount(smaller)} smaller` : "",
  ].filter((part) => part !== "");
  const lines = passed.length > 0 ? [`passed over: ${passed.join(", ")}`] : [];
  if (baseline !== null) {
    lines.push(
      `files: new+changed against ${printable(baseline.file)}, taken ${ago(now - baseline.taken)}; ${formatCount(baseline.gone)} are gone`,
    );
  }
  if (saved !== null) lines.push(`baseline saved: ${printable(saved)}`);
  return lines;
}
