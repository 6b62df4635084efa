// `hmpersist plan`: computed here, from the configuration and what is there; changes nothing, needs no daemon. One that runs is asked
// how it serves what is mounted, and the links it made are read from its memory, so that the plan is the one `apply` would carry out.
import { locations } from "../../config/locations.ts";
import { Observer, type HeldMounts } from "../../daemon/observe.ts";
import type { EntryState, StatusReport } from "../../daemon/status.ts";
import { EXIT } from "../../errors.ts";
import { makeDesired } from "../../plan/desired.ts";
import { makePlan } from "../../plan/diff.ts";
import { explainPlan } from "../../plan/explain.ts";
import { silentAmong } from "../../mount/probe.ts";
import { LinkMemory } from "../../link/memory.ts";
import { SysError } from "../../sys/errno.ts";
import { endWithoutThreads } from "../../sys/exit.ts";
import { printable } from "../../sys/text.ts";
import { daemonStatus, settingsFor } from "../daemon-config.ts";
import { printJson } from "../json-output.ts";
import { loadSettings } from "../settings.ts";

export interface PlanOptions {
  readonly config?: string;
  readonly home?: string;
  readonly json?: true;
}

export async function plan(options: PlanOptions): Promise<void> {
  endWithoutThreads();
  const status = daemonStatus();
  const { config } = await loadSettings(await settingsFor(options));
  const desired = makeDesired(config, { root: process.geteuid?.() === 0 });
  const observer = new Observer({ silent: await silentAmong(config.storages) });
  const observation = await observer.observe(desired, heldMounts(await status), await ownLinks(desired.home));
  const made = makePlan(desired, observation);
  if (options.json === true) {
    const { actions, refusals, kept, postponed } = made;
    printJson({ actions, refusals, kept: kept.map((spec) => spec.target), postponed });
  } else {
    for (const line of explainPlan(made)) process.stdout.write(`${printable(line)}\n`);
  }
  process.exitCode = made.refusals.length > 0 ? EXIT.refused : EXIT.done;
}

const HELD: readonly EntryState[] = ["mounted", "unlisted"];

function heldMounts(status: StatusReport | undefined): HeldMounts {
  // No daemon, or none that answers: what is served counts as its.
  if (status === undefined) return "living";
  const served = status.entries.filter(({ state, method }) => HELD.includes(state) && method === "fuse");
  return new Map(served.map(({ target, cache }) => [target, cache === undefined ? {} : { cache }]));
}

async function ownLinks(home: string): Promise<ReadonlyMap<string, string>> {
  try {
    const memory = new LinkMemory(locations(process.env).stateDir, home);
    await memory.ready;
    return memory.texts();
  } catch (error) {
    // A home that cannot be opened is the plan's to refuse.
    if (error instanceof SysError) return new Map();
    throw error;
  }
}
