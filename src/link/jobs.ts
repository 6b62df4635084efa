// What a worker thread does for the daemon: plain synchronous calls.
import { HmpersistError } from "../errors.ts";
import { word } from "../shell.ts";
import type { Found, LinkSpec, Spec } from "../plan/types.ts";
import { placeLink, removeLink } from "./apply.ts";
import { healLink, type HealOptions } from "./heal.ts";
import { lookAt } from "./observe.ts";
import { reach, type Reach, type ReachOutcome } from "./reach.ts";
import type { AdoptOutcome, HealOutcome, LinkOutcome, LinkRecord, RemoveOutcome } from "./types.ts";

export type Job =
  | { readonly type: "observe"; readonly paths: readonly string[] }
  | Reach
  | { readonly type: "place"; readonly spec: LinkSpec; readonly home: string; readonly own: string | undefined }
  | { readonly type: "remove"; readonly target: string; readonly text: string; readonly home: string }
  | { readonly type: "adopt"; readonly spec: Spec; readonly home: string; readonly keepOriginal: boolean }
  | { readonly type: "heal"; readonly spec: LinkSpec; readonly home: string; readonly record: LinkRecord; readonly options: HealOptions };

export interface Results {
  readonly observe: ReadonlyMap<string, Found>;
  readonly make: ReachOutcome;
  readonly open: ReachOutcome;
  readonly place: LinkOutcome;
  readonly remove: RemoveOutcome;
  readonly heal: HealOutcome;
  readonly adopt: AdoptOutcome;
}

export async function runJob(job: Job): Promise<Results[keyof Results]> {
  switch (job.type) {
    case "observe":
      return new Map(job.paths.map((path) => [path, lookAt(path)]));
    case "make":
    case "open":
      return reach(job);
    case "place":
      return placeLink(job.spec, job.home, job.own);
    case "remove":
      return removeLink(job.target, job.text, job.home);
    case "adopt":
      return adoptQuietly(job.spec, job.home, job.keepOriginal);
    case "heal":
      return healLink(job.spec, job.home, job.record, job.options);
  }
}

async function adoptQuietly(spec: Spec, home: string, keepOriginal: boolean): Promise<AdoptOutcome> {
  const hint = `hmpersist adopt ${word(spec.target)}`;
  // Rare, and a good part of what a thread would have to load before its first job.
  const { adopt } = await import("../adopt/adopt.ts");
  try {
    const { left } = await adopt(spec, home, { merge: undefined, ignoreWriters: false, keepOriginal });
    return left === undefined ? { result: "adopted" } : { result: "left", ...left };
  } catch (error) {
    if (!(error instanceof HmpersistError)) throw error;
    return { result: "refused", reason: error.message, hint: error.hint ?? hint };
  }
}
