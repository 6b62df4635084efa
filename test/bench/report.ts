// A run as tables for people, and as JSON for whoever compares runs.
import type { Row } from "./rows.ts";
import type { Judged, Lookup } from "./goals.ts";
import type { Startup } from "./startup.ts";

/** What others did meanwhile, in CPUs they kept busy. */
export interface Load {
  readonly median: number;
  readonly worst: number;
  /** Turns that counted although they were not quiet. */
  readonly disturbed: number;
  readonly turns: number;
}

export interface Machine {
  readonly kernel: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly node: string;
}

export interface Result {
  readonly storage: string;
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly candidates: readonly string[];
  readonly medians: Lookup;
  readonly goals: readonly Judged[];
  readonly load: Load;
  /** The one CPU that client and server ran on; undefined: where the scheduler put them. */
  readonly cpu: number | undefined;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** One sentence about the run's conditions. */
export const renderLoad = ({ load: { median, worst, disturbed, turns }, cpu }: Result): string =>
  `${cpu === undefined ? "client and server ran where the scheduler put them" : `client and server shared CPU ${cpu}`}; others used ${percent(median)} ` +
  `of a CPU meanwhile (at worst ${percent(worst)}); ${disturbed} of ${turns} turns were disturbed`;

export const scaled = (row: Row, ns: number): number => ns / (row.unit === "ms" ? 1e6 : 1e3);
export const short = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

const pad = (cells: readonly string[], widths: readonly number[]): string =>
  cells.map((cell, index) => (index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0))).join("  ");

function table(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) => pad(line, widths)).join("\n");
}

/** Medians, and in brackets the ratio to bindfs. */
export function renderTable({ rows, candidates, medians }: Result, of: "wall" | "cpu"): string {
  const lines = rows.map((row) => [
    row.name,
    row.unit,
    ...candidates.map((candidate) => {
      const value = medians(row.name, candidate)?.[of];
      if (value === undefined) return "-";
      const bindfs = medians(row.name, "bindfs")?.[of];
      return short(scaled(row, value)) + (bindfs === undefined || candidate === "bindfs" ? "" : ` (${short(value / bindfs)})`);
    }),
  ]);
  return table([[of === "wall" ? "time" : "CPU, server and client", "unit", ...candidates], ...lines]);
}

export const renderGoals = (goals: readonly Judged[]): string =>
  table([
    ["goal", "candidate", "limit", "value", "", ""],
    ...goals.map(({ goal, candidate, limit, value, worst, reached }) => [
      goal,
      candidate,
      String(limit),
      value.toFixed(2),
      reached ? "reached" : "NOT reached",
      worst ?? "",
    ]),
  ]);

export const toJson = (results: readonly Result[], startup: Startup | undefined, machine: Machine): string =>
  `${JSON.stringify(
    {
      machine,
      results: results.map(({ storage, rounds, rows, candidates, medians, goals, load, cpu }) => ({
        storage,
        rounds,
        load,
        cpu: cpu ?? null,
        rows: rows.map((row) => ({
          name: row.name,
          unit: row.unit,
          operations: row.client[1],
          medians: Object.fromEntries(
            candidates.map((candidate) => {
              const found = medians(row.name, candidate);
              return [candidate, found === undefined ? null : { time: scaled(row, found.wall), cpu: scaled(row, found.cpu) }];
            }),
          ),
        })),
        goals,
      })),
      startup: startup ?? null,
    },
    null,
    2,
  )}\n`;
