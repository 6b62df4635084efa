// What the project set itself to reach, as ratios of medians within one run, and whether a run reached it.
import type { Row } from "./rows.ts";
import { geometricMean } from "./statistics.ts";

/** Median nanoseconds of one row for one candidate; undefined if it was not measured. */
export type Lookup = (row: string, candidate: string) => { readonly wall: number; readonly cpu: number } | undefined;

export interface Judged {
  readonly goal: string;
  readonly candidate: string;
  readonly limit: number;
  readonly value: number;
  /** Where the value comes from, if one row decides. */
  readonly worst: string | undefined;
  readonly reached: boolean;
}

interface Goal {
  readonly title: string;
  readonly against: "bindfs" | "native";
  readonly rows: (row: Row) => boolean;
  /** The worst row counts, or the geometric mean of all, or the sum of their times. */
  readonly by: "worst" | "mean" | "sum";
  readonly of: "wall" | "cpu";
  /** By candidate. */
  readonly limits: Readonly<Record<string, number>>;
}

const named =
  (...names: string[]) =>
  (row: Row): boolean =>
    names.includes(row.name);
const all = (limit: number): Record<string, number> => ({ shared: limit, exclusive: limit, privileged: limit });

const GOALS: readonly Goal[] = [
  {
    title: "every metadata row that bindfs makes slower",
    against: "bindfs",
    rows: (row) => row.kind === "metadata",
    by: "worst",
    of: "wall",
    limits: all(0.6),
  },
  {
    title: "geometric mean of all rows",
    against: "bindfs",
    rows: () => true,
    by: "mean",
    of: "wall",
    limits: { shared: 0.35, exclusive: 0.2, privileged: 0.2 },
  },
  { title: "scandir + stat", against: "bindfs", rows: named("scandir + stat of each"), by: "worst", of: "wall", limits: all(0.15) },
  {
    title: "open + read, warm",
    against: "native",
    rows: named("open + read 4 KiB + close, warm"),
    by: "worst",
    of: "wall",
    limits: { exclusive: 2, privileged: 2 },
  },
  {
    title: "sequential read",
    against: "native",
    rows: named("sequential read"),
    by: "worst",
    of: "wall",
    limits: { shared: 2, exclusive: 1.3, privileged: 1.1 },
  },
  {
    title: "sequential write",
    against: "native",
    rows: named("sequential write"),
    by: "worst",
    of: "wall",
    limits: { shared: 3, exclusive: 1.3, privileged: 1.1 },
  },
  {
    title: "random read 4 KiB",
    against: "native",
    rows: named("random read 4 KiB"),
    by: "worst",
    of: "wall",
    limits: { shared: 2, exclusive: 1.2, privileged: 1.3 },
  },
  {
    title: "random write 4 KiB",
    against: "native",
    rows: named("random write 4 KiB"),
    by: "worst",
    of: "wall",
    limits: { exclusive: 6, privileged: 1.3 },
  },
  {
    title: "git clone + status + rm -rf",
    against: "bindfs",
    rows: named("git clone", "git status", "rm -rf of the clone"),
    by: "sum",
    of: "wall",
    limits: { shared: 0.6, exclusive: 0.5, privileged: 0.5 },
  },
  { title: "CPU of server and client", against: "bindfs", rows: () => true, by: "mean", of: "cpu", limits: all(1) },
];

function judge(goal: Goal, candidate: string, limit: number, rows: readonly Row[], lookup: Lookup): Judged | undefined {
  const ratios: { row: string; mine: number; theirs: number }[] = [];
  for (const row of rows.filter(goal.rows)) {
    const [mine, theirs] = [lookup(row.name, candidate), lookup(row.name, goal.against)];
    const native = lookup(row.name, "native");
    // What the kernel answers from its own cache for everybody (a warm stat) leaves nothing to gain.
    if (goal.by === "worst" && goal.against === "bindfs" && native !== undefined && theirs !== undefined && theirs.wall < 1.5 * native.wall)
      continue;
    if (mine !== undefined && theirs !== undefined) ratios.push({ row: row.name, mine: mine[goal.of], theirs: theirs[goal.of] });
  }
  if (ratios.length === 0) return undefined;
  const worst = ratios.reduce((a, b) => (b.mine / b.theirs > a.mine / a.theirs ? b : a));
  const sum = (key: "mine" | "theirs"): number => ratios.reduce((total, ratio) => total + ratio[key], 0);
  const value =
    goal.by === "mean"
      ? geometricMean(ratios.map(({ mine, theirs }) => mine / theirs))
      : goal.by === "sum"
        ? sum("mine") / sum("theirs")
        : worst.mine / worst.theirs;
  return {
    goal: `${goal.title}, against ${goal.against}`,
    candidate,
    limit,
    value,
    worst: goal.by === "worst" && ratios.length > 1 ? worst.row : undefined,
    reached: value <= limit,
  };
}

/** Every goal for every candidate that was measured. */
export const judgeAll = (rows: readonly Row[], lookup: Lookup): Judged[] =>
  GOALS.flatMap((goal) => Object.entries(goal.limits).flatMap(([candidate, limit]) => judge(goal, candidate, limit, rows, lookup) ?? []));
