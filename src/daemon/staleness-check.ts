// Whether the mounts that are served still show what is in storage: their entries say so, or why not.
import type { Obstacle } from "../plan/obstacles.ts";
import { staleness } from "../plan/stale.ts";
import type { MountSpec } from "../plan/types.ts";
import type { Entries } from "./entries.ts";
import type { Mounts } from "./mounts.ts";
import type { Observer } from "./observe.ts";
import { noteOn } from "./reconcile.ts";

export interface StalenessTools {
  readonly mounts: Mounts;
  readonly observer: Observer;
  readonly entries: Entries;
}

/** Looks at the storages of those of `wanted` that are mounted, and brings their entries up to date. */
export async function checkStaleness(wanted: readonly MountSpec[], { mounts, observer, entries }: StalenessTools): Promise<void> {
  const held = mounts.held();
  const specs = wanted.filter((spec) => held.has(spec.target));
  const storages = [...new Set(specs.map((spec) => spec.storage))];
  const world = await observer.lookAtStorages({ storages, sources: specs.map((spec) => spec.source) });
  const now = mounts.held();
  for (const spec of specs) {
    const mount = now.get(spec.target);
    if (mount !== undefined) tell(entries, spec, staleness(spec, mount, world));
  }
}

function tell(entries: Entries, { target, ...spec }: MountSpec, flaw: Obstacle | undefined): void {
  const state = entries.stateOf(target);
  const detail = entries.detailOf(target) ?? "";
  if (flaw === undefined) {
    if (state === "stale") entries.set(target, "mounted", noteOn(spec));
  } else if (state === "missing") {
    // It could not be replaced: somebody has files open there.
    entries.set(target, "stale", `${flaw.reason}; ${detail}`);
  } else if (state !== "stale" || !detail.startsWith(flaw.reason)) {
    entries.set(target, "stale", `${flaw.reason}; ${flaw.hint}`);
  }
}
