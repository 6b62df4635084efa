// npm run bench [-- --rounds N --filter TEXT --only NAMES --storage tmpfs,disk --scale N --quiet PERCENT --pin CPU --json FILE --svg FILE
// --readme]: everything in one run. test/bench/README.md explains the options and the figures.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { dirname, relative } from "node:path";
import { getuid, stderr, stdout } from "node:process";
import { parseArgs } from "node:util";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";
import { CANDIDATES } from "./candidates.ts";
import { renderChart } from "./chart.ts";
import { compare } from "./compare.ts";
import { makeFixtures } from "./fixtures.ts";
import { renderSection, replaceSection } from "./readme.ts";
import { renderGoals, renderLoad, renderTable, toJson, type Machine, type Result } from "./report.ts";
import { makeRows, SIZES, type Row } from "./rows.ts";
import { measureStartup, renderStartup, type Startup } from "./startup.ts";

const BASES: Readonly<Record<string, string>> = { tmpfs: SHM, disk: "/var/tmp" };
const README = "README.md";
const PICTURE = "docs/bench.svg";

export async function benchOperations(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "5" },
      filter: { type: "string", default: "" },
      only: { type: "string", default: CANDIDATES.map(({ name }) => name).join(",") },
      storage: { type: "string", default: "tmpfs,disk" },
      /** Divides the number of operations. */
      scale: { type: "string", default: "1" },
      /** Per cent of one CPU that others may use in a turn that counts. */
      quiet: { type: "string", default: "10" },
      pin: { type: "string" },
      json: { type: "string" },
      svg: { type: "string" },
      /** Writes the section of README.md, and the picture it shows. */
      readme: { type: "boolean", default: false },
    },
  });
  if (getuid?.() !== 0) throw new Error("run it as root: it serves and measures as an ordinary user and as root");
  const only = values.only.split(",");
  const candidates = CANDIDATES.filter(({ name }) => only.includes(name));
  const scale = Number(values.scale);
  const sizes = { files: SIZES.files / scale, mib: SIZES.mib / scale, random: SIZES.random / scale, commits: SIZES.commits / scale };
  const rounds = Number(values.rounds);
  const cpu = values.pin === undefined ? undefined : Number(values.pin);
  const svg = values.svg ?? (values.readme ? PICTURE : undefined);
  const whole = values.filter === "" && only.includes("bindfs") && cpu === undefined;
  const begin = performance.now();
  const work = tempDirectory("bench-fixtures");
  try {
    const fixtures = makeFixtures(work, candidates[0]?.uid ?? 0);
    const rows = withNeeded(makeRows(sizes, fixtures.repository, fixtures.archive), values.filter);
    const results: Result[] = [];
    for (const storage of values.storage.split(",")) {
      const plan = { rounds, rows, candidates, fixtures, quiet: Number(values.quiet) / 100, cpu };
      const result = await compare(storage, BASES[storage] ?? storage, plan);
      results.push(result);
      stdout.write(`\n== storage on ${storage}, median of ${rounds} rounds (in brackets: bindfs = 1)\n${renderLoad(result)}\n\n`);
      stdout.write(`${renderTable(result, "wall")}\n\n${renderTable(result, "cpu")}\n\n${renderGoals(result.goals)}\n`);
    }
    const startup: Startup | undefined = whole ? await measureStartup(rounds) : undefined;
    if (startup !== undefined) stdout.write(`\n== ready, and memory\n\n${renderStartup(startup)}\n`);
    const machine: Machine = { kernel: release(), cpu: cpus()[0]?.model ?? "?", cpus: cpus().length, node: process.version };
    if (values.json !== undefined) writeFileSync(values.json, toJson(results, startup, machine));
    if (svg !== undefined) {
      mkdirSync(dirname(svg), { recursive: true });
      writeFileSync(svg, renderChart(results));
    }
    if (values.readme && svg !== undefined) {
      const section = renderSection(results, startup, machine, relative(".", svg));
      writeFileSync(README, replaceSection(readFileSync(README, "utf8"), section));
    }
    stderr.write(`${((performance.now() - begin) / 60_000).toFixed(1)} minutes\n`);
  } finally {
    removeTree(work);
  }
}

// Rows build on each other (what is unlinked was renamed, created): with a filter, all before the last match of its kind run, too.
function withNeeded(rows: readonly Row[], filter: string): readonly Row[] {
  const matching = rows.filter((row) => row.name.includes(filter));
  const needed = new Set<Row>(matching);
  for (const row of matching) {
    for (const earlier of rows.slice(0, rows.indexOf(row)))
      if (earlier.kind === row.kind && earlier.directory === row.directory) needed.add(earlier);
  }
  return rows.filter((row) => needed.has(row));
}
