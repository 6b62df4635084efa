// All candidates on one storage, interleaved round by round, so that a slow minute of the machine hits all alike. A turn during which
// others used the CPUs is repeated, and the quietest attempt counts.
import { stderr } from "node:process";
import type { Candidate } from "./candidates.ts";
import type { Fixtures } from "./fixtures.ts";
import { judgeAll, type Lookup } from "./goals.ts";
import { quietMoment } from "./load.ts";
import { measureTurn, type Sample, type Turn } from "./measure.ts";
import type { Result } from "./report.ts";
import type { Row } from "./rows.ts";
import { median } from "./statistics.ts";

export interface Plan {
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly candidates: readonly Candidate[];
  readonly fixtures: Fixtures;
  /** CPUs that others may use in a turn that counts. */
  readonly quiet: number;
  /** Client and server run on this CPU only; undefined: where the scheduler puts them. */
  readonly cpu: number | undefined;
}

/** A turn is tried this often at most. */
const ATTEMPTS = 3;
/** Milliseconds that are waited for quiet moments, before a turn and in all. */
const WAIT_MS = 10_000;
const WAIT_ALL_MS = 120_000;

export async function compare(storage: string, base: string, plan: Plan): Promise<Result> {
  const { rounds, rows, candidates, quiet } = plan;
  const samples = new Map<string, Sample[]>();
  const shares: number[] = [];
  const failed = new Set<string>();
  // On a machine that is never quiet a run takes at most a quarter longer, and what it waits.
  let repeats = Math.ceil((rounds * candidates.length) / 4);
  let wait = WAIT_ALL_MS;

  const turn = async (candidate: Candidate): Promise<Turn> => {
    let best: Turn | undefined;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (repeats > 0) wait -= await quietMoment(quiet, Math.min(wait, WAIT_MS));
      const now = await measureTurn(plan.fixtures.client, base, candidate, rows, plan.cpu);
      if (best === undefined || now.others < best.others) best = now;
      stderr.write(`  others used ${Math.round(now.others * 100)} % of a CPU\n`);
      if (best.others <= quiet || repeats === 0) break;
      repeats -= 1;
    }
    return best as Turn;
  };

  for (let round = 0; round < rounds; round += 1) {
    // Each round starts with another candidate, so that none always runs behind the same one.
    for (let index = 0; index < candidates.length; index += 1) {
      const candidate = candidates[(round + index) % candidates.length] as Candidate;
      if (failed.has(candidate.name)) continue;
      stderr.write(`${storage}, round ${round + 1} of ${rounds}: ${candidate.name}\n`);
      try {
        const { samples: measured, others } = await turn(candidate);
        shares.push(others);
        for (const [row, sample] of measured) {
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
  return {
    storage,
    rounds,
    rows,
    candidates: candidates.map(({ name }) => name),
    medians,
    goals: judgeAll(rows, medians),
    load: {
      median: median(shares),
      worst: Math.max(...shares),
      disturbed: shares.filter((share) => share > quiet).length,
      turns: shares.length,
    },
    cpu: plan.cpu,
  };
}
