// Carries out a plan: unmounts, links to take away, directories, mounts in waves, links to put in place, data to adopt. An action that
// fails is recorded at its entry and keeps no other from being tried; what lies below a mount that failed is left alone, because it would
// be hidden as soon as that mount succeeds.
import type { EngineProbe } from "../engine/engine.ts";
import { EXIT, HmpersistError, type ExitCode } from "../errors.ts";
import type { Log } from "../log.ts";
import { isBelow } from "../config/place.ts";
import type { Action, MountSpec, Plan, Spec } from "../plan/types.ts";
import { describeHolders } from "./busy.ts";
import type { Directories } from "./directories.ts";
import type { Entries } from "./entries.ts";
import type { Links } from "./links.ts";
import { mayAllowOther, type Mounts } from "./mounts.ts";
import { inLanes, waves } from "./parallel.ts";

export interface Tools {
  readonly mounts: Mounts;
  readonly links: Links;
  readonly directories: Directories;
  readonly entries: Entries;
  readonly engine: () => Promise<EngineProbe>;
  /** Runs what may take longer than a service manager waits. */
  readonly patiently: (work: () => Promise<void>) => Promise<void>;
  /** The daemon is to end: nothing more is begun. */
  readonly isStopping: () => boolean;
  readonly log: Log;
}

/** Returns the targets whose action failed, with the exit code each speaks for. */
export async function carryOut(plan: Plan, tools: Tools): Promise<ReadonlyMap<string, ExitCode>> {
  const { entries, log } = tools;
  const failed = new Map<string, ExitCode>();
  const attempt = async (target: string, work: () => Promise<void>): Promise<void> => {
    if (tools.isStopping()) return void failed.set(target, EXIT.partial);
    try {
      await work();
    } catch (error) {
      const environment = error instanceof HmpersistError && error.exitCode === EXIT.environment;
      failed.set(target, environment ? EXIT.environment : EXIT.partial);
      const detail = oneLine(error);
      entries.set(target, "missing", detail);
      log.error({ target, detail }, "action failed");
    }
  };
  entries.refuse(plan.refusals);
  for (const spec of plan.kept) {
    if (spec.kind === "mount") entries.set(spec.target, "mounted", noteOn(spec));
  }
  for (const action of plan.actions) {
    if (action.type !== "mount" && action.type !== "link" && action.type !== "adopt")
      await attempt(subject(action), () => act(action, tools));
  }
  const adopted = plan.actions.flatMap((action) => (action.type === "adopt" ? [action.spec] : []));
  const waiting = new Set([...failed.keys(), ...adopted.map(({ target }) => target)]);
  const mounts = plan.actions.flatMap((action) => (action.type === "mount" && !waiting.has(action.spec.target) ? [action.spec] : []));
  for (const wave of waves(mounts)) await inLanes(wave, (spec) => attempt(spec.target, () => mountOne(spec, failed, tools)));
  const links = plan.actions.flatMap((action) => (action.type === "link" && !waiting.has(action.spec.target) ? [action.spec] : []));
  await inLanes(links, (spec) => attempt(spec.target, () => tools.links.place(spec)));
  // What is adopted takes its time, for which nobody else waits. What could not be adopted is left as it is.
  const moved: Spec[] = [];
  for (const spec of adopted) {
    await attempt(spec.target, () => tools.patiently(() => tools.links.adopt(spec)));
    if (failed.has(spec.target)) continue;
    moved.push(spec);
    await attempt(spec.target, () => (spec.kind === "mount" ? mountOne(spec, failed, tools) : tools.links.place(spec)));
  }
  // Last: what programs do there from now on is done in storage.
  for (const spec of moved) {
    await tools
      .patiently(() => tools.links.dropAdopted(spec))
      .catch((error: unknown) => {
        failed.set(spec.target, EXIT.partial);
        entries.set(spec.target, entries.stateOf(spec.target) ?? "missing", oneLine(error));
        log.warn({ target: spec.target, detail: oneLine(error) }, "the original was not removed");
      });
  }
  return failed;
}

async function mountOne(spec: MountSpec, failed: ReadonlyMap<string, ExitCode>, tools: Tools): Promise<void> {
  const outer = [...failed.keys()].find((target) => isBelow(spec.target, target));
  if (outer !== undefined) throw new HmpersistError("HMP_REFUSED", `not mounted, because ${outer} was not`);
  const engine = await tools.engine();
  await tools.mounts.mount(spec, engine.name);
  tools.entries.set(spec.target, "mounted", noteOn(spec));
  tools.log.info({ mount: spec.target, source: spec.source, engine: engine.name }, "mounted");
}

/** What is worth knowing of a mount that is as it should be. */
export function noteOn(spec: Pick<MountSpec, "allowOther">): string | undefined {
  return spec.allowOther && !mayAllowOther()
    ? "for this user only: allowOther needs the line 'user_allow_other' in /etc/fuse.conf"
    : undefined;
}

const AGAIN = "once it is free: hmpersist apply";

async function act(action: Exclude<Action, { type: "mount" | "link" | "adopt" }>, tools: Tools): Promise<void> {
  switch (action.type) {
    case "unmount": {
      // A mount without a server, or with one that no daemon looks after, is detached while in use: there is nothing to wait for.
      const holders = await tools.mounts.unmount(action.target, action.why === "dead" || action.why === "orphaned");
      if (holders.length > 0) throw new HmpersistError("HMP_BUSY", `${action.target} is ${describeHolders(holders)}`, AGAIN);
      tools.log.info({ mount: action.target, why: action.why }, "unmounted");
      return;
    }
    case "mkdir-storage":
    case "mkdir-home":
      return tools.directories.make(action.root, action.path, action.mode, tools.mounts.storageAbove(action.path));
    case "unlink":
      return tools.links.remove(action.target, action.text);
  }
}

const subject = (action: Exclude<Action, { type: "mount" | "link" | "adopt" }>): string =>
  action.type === "mkdir-home" || action.type === "mkdir-storage" ? action.path : action.target;

const oneLine = (error: unknown): string => {
  if (error instanceof HmpersistError) return error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
};
