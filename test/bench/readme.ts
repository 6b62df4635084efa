// The run as a section of README.md: the picture, one table a storage, the goals, and under which conditions it was measured.
import type { Judged } from "./goals.ts";
import { renderLoad, scaled, short, type Machine, type Result } from "./report.ts";
import type { Startup } from "./startup.ts";

const BEGIN = "<!-- performance:begin -->";
const END = "<!-- performance:end -->";
const COMMAND = "npm run bench -- --readme";

const TITLES: Readonly<Record<string, string>> = {
  shared: "`shared`",
  exclusive: "`exclusive`",
  "privileged-shared": "`shared`, root",
  privileged: "`exclusive`, root",
};
const title = (candidate: string): string => TITLES[candidate] ?? candidate;

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

function table({ rows, candidates, medians }: Result): string {
  const head = [line(["", "unit", ...candidates.map(title)]), line(["---", "---", ...candidates.map(() => "---:")])];
  const body = rows.map((row) => {
    const bindfs = medians(row.name, "bindfs")?.wall;
    const cells = candidates.map((candidate) => {
      const value = medians(row.name, candidate)?.wall;
      if (value === undefined) return "-";
      const ratio = bindfs === undefined || candidate === "bindfs" || candidate === "native" ? "" : ` (${short(value / bindfs)})`;
      return short(scaled(row, value)) + ratio;
    });
    return line([row.name, row.unit, ...cells]);
  });
  return [...head, ...body].join("\n");
}

function goals(judged: readonly Judged[]): string {
  const head = [line(["goal", "", "at most", "measured", ""]), line(["---", "---", "---:", "---:", "---"])];
  const body = judged.map(({ goal, candidate, limit, value, worst, reached }) =>
    line([
      goal,
      title(candidate),
      String(limit),
      `${value.toFixed(2)}${worst === undefined ? "" : ` (${worst})`}`,
      reached ? "reached" : "missed",
    ]),
  );
  return [...head, ...body].join("\n");
}

function startupTable({ figures, knownFiles }: Startup): string {
  const body = figures.map(({ title: name, ms, pssMiB }) => line([name, `${ms.toFixed(0)} ms`, `${pssMiB.toFixed(0)} MiB`]));
  const known = `${knownFiles.mounts} mounts with ${knownFiles.files.toLocaleString("en")} known files: ${knownFiles.pssMB.toFixed(0)} MB for all processes`;
  return [
    line(["", "ready in", "memory (PSS)"]),
    line(["---", "---:", "---:"]),
    ...body,
    "",
    `${known} (at most ${knownFiles.limitMB}).`,
  ].join("\n");
}

const detailed = (summary: string, text: string): string => `<details><summary>${summary}</summary>\n\n${text}\n\n</details>`;

export function renderSection(results: readonly Result[], startup: Startup | undefined, machine: Machine, picture: string): string {
  const conditions = `Medians of ${results[0]?.rounds} interleaved rounds on ${machine.cpus} × ${machine.cpu}, Linux ${machine.kernel}, Node ${machine.node}`;
  const parts = [
    `![time per operation, relative to bindfs](${picture})`,
    `${conditions}. Read the ratios, and repeat them: \`${COMMAND}\`.`,
  ];
  results.forEach((result, index) => {
    const text = `Storage on ${result.storage}, in brackets bindfs = 1; ${renderLoad(result)}.\n\n${table(result)}`;
    parts.push(index === 0 ? text : detailed(`the same with storage on ${result.storage}`, text));
  });
  if (startup !== undefined) parts.push(startupTable(startup));
  for (const { storage, goals: judged } of results) parts.push(detailed(`the goals, storage on ${storage}`, goals(judged)));
  return parts.join("\n\n");
}

/** `readme` with another section between the two marks. */
export function replaceSection(readme: string, section: string): string {
  const [from, to] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`there is no ${BEGIN} ... ${END} to fill`);
  return `${readme.slice(0, from + BEGIN.length)}\n${section}\n${readme.slice(to)}`;
}
