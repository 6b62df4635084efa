// `hmpersist plan`: computed here, from the configuration and what is there; changes nothing, needs no daemon.
import { Observer } from "../../daemon/observe.ts";
import { EXIT } from "../../errors.ts";
import { makeDesired } from "../../plan/desired.ts";
import { makePlan } from "../../plan/diff.ts";
import { explainPlan } from "../../plan/explain.ts";
import { printable } from "../../sys/text.ts";
import { loadSettings } from "../settings.ts";

export interface PlanOptions {
  readonly config?: string;
  readonly home?: string;
  readonly json?: true;
}

export async function plan(options: PlanOptions): Promise<void> {
  const { config } = await loadSettings({ ...options, directory: [], file: [] });
  const desired = makeDesired(config, { root: process.geteuid?.() === 0 });
  const observation = await new Observer().observe(desired, "living", new Map());
  const made = makePlan(desired, observation);
  if (options.json === true) {
    process.stdout.write(
      `${JSON.stringify({ actions: made.actions, refusals: made.refusals, kept: made.kept.map((spec) => spec.target) })}\n`,
    );
  } else {
    for (const line of explainPlan(made)) process.stdout.write(`${printable(line)}\n`);
  }
  process.exitCode = made.refusals.length > 0 ? EXIT.refused : EXIT.done;
}
