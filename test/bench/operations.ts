// npm run bench [-- --rounds N --filter TEXT --only NAMES --storage tmpfs,disk --scale N --json FILE --svg FILE]: every candidate, every
// row, interleaved round by round so that a slow minute of the machine hits all alike.
import { writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { getuid, stderr, stdout } from "node:process";
import { parseArgs } from "node:util";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";
import { CANDIDATES, type Candidate } from "./candidates.ts";
import { renderChart } from "./chart.ts";
import { makeFixtures, type Fixtures } from "./fixtures.ts";
import { judgeAll, type Lookup } from "./goals.ts";
import { measureRound, type Sample } from "./measure.ts";
import { renderGoals, renderTable, toJson, type Result } from "./report.ts";
import { makeRows, SIZES, type Row } from "./rows.ts";
import { median } from "./statistics.ts";

const BASES: Readonly<Record<string, string>> = { tmpfs: SHM, disk: "/var/tmp" };

interface Options {
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly candidates: readonly Candidate[];
  readonly fixtures: Fixtures;
}

async function measureStorage(storage: string, { rounds, rows, candidates, fixtures }: Options): Promise<Result> {
  const samples = new Map<string, Sample[]>();
  const failed = new Set<string>();
  for (let round = 0; round < rounds; round += 1) {
    // Each round starts with another candidate, so that none always runs behind the same one.
    for (let turn = 0; turn < candidates.length; turn += 1) {
      const candidate = candidates[(round + turn) % candidates.length];
      if (candidate === undefined || failed.has(candidate.name)) continue;
      stderr.write(`${storage}, round ${round + 1} of ${rounds}: ${candidate.name}\n`);
      try {
        for (const [row, sample] of await measureRound(fixtures.client, BASES[storage] ?? storage, candidate, rows)) {
          const key = `${candidate.name}\n${row}`;
          samples.set(key, [...(samples.get(key) ?? []), sample]);
        }
      } catch (error) {
        failed.add(candidate.name);
        stderr.write(`${candidate.name} is left out: ${error instanceof Error ? error.message : String(error)}\n`);
      }
    }
  }
  const medians: Lookup = (row, candidate) => {
    const found = samples.get(`${candidate}\n${row}`);
    return found && { wall: median(found.map(({ wall }) => wall)), cpu: median(found.map(({ cpu }) => cpu)) };
  };
  return { storage, rounds, rows, candidates: candidates.map(({ name }) => name), medians, goals: judgeAll(rows, medians) };
}

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
      json: { type: "string" },
      svg: { type: "string" },
    },
  });
  if (getuid?.() !== 0) throw new Error("run it as root: it serves and measures as an ordinary user and as root");
  const only = values.only.split(",");
  const candidates = CANDIDATES.filter(({ name }) => only.includes(name));
  const scale = Number(values.scale);
  const sizes = { files: SIZES.files / scale, mib: SIZES.mib / scale, random: SIZES.random / scale, commits: SIZES.commits / scale };
  const work = tempDirectory("bench-fixtures");
  try {
    const fixtures = makeFixtures(work, candidates[0]?.uid ?? 0);
    const rows = makeRows(sizes, fixtures.repository, fixtures.archive);
    const wanted = withNeeded(rows, values.filter);
    const results: Result[] = [];
    for (const storage of values.storage.split(",")) {
      const result = await measureStorage(storage, { rounds: Number(values.rounds), rows: wanted, candidates, fixtures });
      results.push(result);
      stdout.write(`\n== storage on ${storage}, median of ${result.rounds} rounds (in brackets: bindfs = 1)\n\n`);
      stdout.write(`${renderTable(result, "wall")}\n\n${renderTable(result, "cpu")}\n\n${renderGoals(result.goals)}\n`);
    }
    const machine = { kernel: release(), cpu: cpus()[0]?.model ?? "?", cpus: String(cpus().length), node: process.version };
    if (values.json !== undefined) writeFileSync(values.json, toJson(results, machine));
    if (values.svg !== undefined) writeFileSync(values.svg, renderChart(results));
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
