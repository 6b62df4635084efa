// `hmpersist adopt`: moves existing data of the home into storage, entry by entry. The copying is done here; the daemon is asked to
// mount what is left empty.
import { adopt as adoptEntry, planAdoption } from "../../adopt/adopt.ts";
import type { AdoptPlan, Merge } from "../../adopt/types.ts";
import { locations } from "../../config/locations.ts";
import { realEntry } from "../../config/real-path.ts";
import { ask } from "../../daemon/control/client.ts";
import type { Outcome } from "../../daemon/daemon.ts";
import { monotonicMs } from "../../sys/clock.ts";
import { EXIT, HmpersistError, type ExitCode } from "../../errors.ts";
import { makeDesired } from "../../plan/desired.ts";
import { programObstacle } from "../../plan/obstacles.ts";
import type { Desired, Spec } from "../../plan/types.ts";
import { PROGRAM } from "../../program.ts";
import { raiseNofile } from "../../sys/rlimit.ts";
import { printable } from "../../sys/text.ts";
import { followedSettings, isNoDaemon, settingsFor } from "../daemon-config.ts";
import { printJson } from "../json-output.ts";
import { progressLine, type ProgressLine } from "../progress.ts";
import { loadSettings, type Settings } from "../settings.ts";
import { storageObstacle } from "../storage-obstacle.ts";
import { absolute } from "../working-directory.ts";

export interface AdoptCommandOptions {
  readonly config?: string;
  readonly home?: string;
  readonly json?: true;
  readonly dryRun?: true;
  readonly merge?: Merge;
  readonly ignoreOpenFiles?: true;
}

const TIMEOUT_MS = 120_000;

interface Result {
  readonly target: string;
  readonly source: string;
  readonly plan?: AdoptPlan;
  readonly problem?: string;
  readonly hint?: string;
  readonly exitCode: ExitCode;
}

export async function adopt(paths: readonly string[], options: AdoptCommandOptions): Promise<void> {
  const desired = await desiredBy(await settingsFor(options));
  const specs = paths.map((path) => entryAt(realEntry(absolute(path)), desired));
  if (options.dryRun !== true) await requireListed(specs);
  raiseNofile();
  const results: Result[] = [];
  for (const spec of specs) {
    const result = await one(spec, desired.home, options);
    results.push(result);
    if (options.json !== true) say(result, options.dryRun === true);
  }
  if (options.dryRun !== true && specs.some((spec) => spec.kind === "link")) await letDaemonKnow();
  if (options.json === true) printJson({ adopted: results });
  const failed = results.filter((result) => result.exitCode !== EXIT.done);
  process.exitCode =
    failed.length === 0 ? EXIT.done : failed.length < results.length ? EXIT.partial : (failed[0]?.exitCode ?? EXIT.internal);
}

function entryAt(target: string, desired: Desired): Spec {
  const spec = [...desired.mounts, ...desired.links].find((entry) => entry.target === target);
  if (spec !== undefined) return spec;
  const hint = "add it to 'directories' or 'files' first; 'hmpersist ephemeral' suggests the line";
  throw new HmpersistError("HMP_USAGE", `no entry of the configuration is for ${printable(target)}`, hint);
}

async function desiredBy(settings: Settings): Promise<Desired> {
  const { config } = await loadSettings(settings);
  return makeDesired(config, { root: process.geteuid?.() === 0 });
}

// What is moved is mounted and watched by the daemon, which therefore has to mean the same. A link does without a daemon.
async function requireListed(specs: readonly Spec[]): Promise<void> {
  const settings = await followedSettings().catch((error: unknown) => {
    if (isNoDaemon(error) && specs.every((spec) => spec.kind === "link")) return undefined;
    throw error;
  });
  if (settings === undefined) return;
  const { mounts, links } = await desiredBy(settings);
  const listed = (spec: Spec): boolean =>
    [...mounts, ...links].some(({ target, source }) => target === spec.target && source === spec.source);
  const strange = specs.find((spec) => !listed(spec));
  if (strange === undefined) return;
  const reason = `the daemon follows another configuration, which has no entry for ${printable(strange.target)}`;
  throw new HmpersistError("HMP_REFUSED", reason, "make it follow this one: hmpersist apply --config FILE");
}

// A new link is watched from now on. Without a daemon the next one finds it.
async function letDaemonKnow(): Promise<void> {
  await ask<Outcome>(locations(process.env).controlSocket, { command: "apply" }, TIMEOUT_MS).catch((error: unknown) => {
    if (!isNoDaemon(error)) throw error;
  });
}

async function one(spec: Spec, home: string, options: AdoptCommandOptions): Promise<Result> {
  const { target, source } = spec;
  const line = progressLine(process.stderr);
  try {
    const obstacle = (await storageObstacle(spec.storage)) ?? programObstacle(spec, PROGRAM);
    if (obstacle !== undefined) throw new HmpersistError("HMP_REFUSED", obstacle.reason, obstacle.hint);
    if (options.dryRun === true) return planned(spec, planAdoption(spec, home), options);
    const adopted = await adoptEntry(spec, home, {
      merge: options.merge,
      ignoreWriters: options.ignoreOpenFiles === true,
      mount: () => mount(target),
      progress: bar(target, line),
    });
    if (adopted.left === undefined) return { target, source, plan: adopted, exitCode: EXIT.done };
    const { reason, hint } = adopted.left;
    return { target, source, plan: adopted, problem: reason, hint, exitCode: EXIT.partial };
  } catch (error) {
    if (!(error instanceof HmpersistError)) throw error;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    return { target, source, problem: error.message, ...hint, exitCode: error.exitCode };
  } finally {
    line.clear();
  }
}

function planned({ target, source }: Spec, plan: AdoptPlan, options: AdoptCommandOptions): Result {
  const refused = (problem: string, hint: string, exitCode: ExitCode): Result => ({ target, source, plan, problem, hint, exitCode });
  if (plan.writers.length > 0 && options.ignoreOpenFiles !== true)
    return refused("would be refused: files are open for writing", "end these programs, or --ignore-open-files", EXIT.busy);
  if (plan.decision === "merge" && options.merge === undefined)
    return refused("would be refused: needs --merge", "keep-home, keep-storage or newest says which side wins", EXIT.refused);
  return { target, source, plan, exitCode: EXIT.done };
}

async function mount(target: string): Promise<void> {
  const { report } = await ask<Outcome>(locations(process.env).controlSocket, { command: "apply" }, TIMEOUT_MS);
  const entry = report.entries.find((candidate) => candidate.target === target);
  if (entry?.state === "mounted") return;
  const why = entry?.detail ?? "the daemon's configuration does not list it";
  throw new HmpersistError("HMP_PARTIAL", `${target} is in storage, but not mounted: ${why}`, "see to that, then run this command again");
}

function bar(target: string, line: ProgressLine): (done: number, total: number) => void {
  let last = 0;
  return (done, total) => {
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    if (monotonicMs() - last < 100 && percent < 100) return;
    last = monotonicMs();
    const filled = Math.floor(percent / 5);
    line.show(`${String(percent).padStart(3)}% [${"#".repeat(filled)}${" ".repeat(20 - filled)}] ${printable(target)}`);
  };
}

const WORDS: Record<AdoptPlan["decision"], string> = {
  copy: "copied into storage",
  same: "storage has the same already",
  merge: "merged with storage",
  finish: "finished what an earlier run began",
};

function say({ target, source, plan, problem, hint }: Result, dryRun: boolean): void {
  const arrow = `${printable(target)} -> ${printable(source)}`;
  if (problem !== undefined) process.stderr.write(`${arrow}: ${printable(problem)}${hint === undefined ? "" : `\n  ${printable(hint)}`}\n`);
  if (plan === undefined) return;
  const size = `${plan.files} files, ${plan.directories} directories, ${plan.others} others, ${plan.bytes} bytes`;
  if (problem === undefined)
    process.stdout.write(`${arrow}: ${dryRun ? `would be: ${WORDS[plan.decision]}` : WORDS[plan.decision]} (${size})\n`);
  for (const path of dryRun ? plan.differing : []) process.stdout.write(`  differs: ${path}\n`);
  for (const writer of dryRun ? plan.writers : []) process.stdout.write(`  open for writing: ${writer}\n`);
}
