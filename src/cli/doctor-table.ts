// `hmpersist doctor` as people see it. Pure: a report in, text out.
import type { Verdict } from "../doctor/check.ts";
import type { DoctorReport } from "../doctor/doctor.ts";
import { printable } from "../sys/text.ts";
import { symbol, wrap, type Health, type Style } from "./output.ts";

const HEALTH: Record<Verdict, Health> = { ok: "ok", warning: "warning", problem: "problem", skipped: "unknown" };
const NAME = 16;
const INDENT = " ".repeat(NAME + 3);
// Narrower, and the name stands on a line of its own.
const NARROW = 60;

/** The whole report, ending in a newline. */
export function renderDoctor(report: DoctorReport, style: Style): string {
  const lines = report.areas.flatMap(({ area, findings }) => [
    style.paint("bold", area),
    ...findings.flatMap(({ check, verdict, message, fix }) => {
      const head = `${symbol(HEALTH[verdict], style)} ${check}`;
      const parts = printable(message.replace(/\n\s*/g, "; "));
      const said = verdict === "skipped" ? style.paint("dim", parts) : parts;
      const mend = fix === undefined ? [] : [style.paint("cyan", `fix: ${printable(fix)}`)];
      if (style.width < NARROW) return [head, ...[said, ...mend].flatMap((line) => wrap(line, "    ", style, "  "))];
      const gap = " ".repeat(Math.max(1, NAME + 1 - check.length));
      const [first = "", ...rest] = wrap(said, INDENT, style, INDENT);
      return [`${head}${gap}${first.trimStart()}`, ...rest, ...mend.flatMap((line) => wrap(line, `${INDENT}  `, style, INDENT))];
    }),
    "",
  ]);
  const { problem, warning } = report.counts;
  const sum = [
    problem > 0 ? style.paint("red", count(problem, "problem")) : "",
    warning > 0 ? style.paint("yellow", count(warning, "warning")) : "",
  ];
  const told = sum.filter((part) => part !== "").join(", ");
  return `${[...lines, told === "" ? style.paint("green", "all is well") : told].join("\n")}\n`;
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;
