// What a worker thread does for the keeper: plain synchronous calls, one at a time.
import type { Found, LinkSpec } from "../plan/types.ts";
import { placeLink, removeLink } from "./apply.ts";
import { healLink, type HealOptions } from "./heal.ts";
import { lookAt } from "./observe.ts";
import type { HealOutcome, LinkOutcome, LinkRecord, RemoveOutcome } from "./types.ts";

export type Job =
  | { readonly type: "observe"; readonly paths: readonly string[] }
  | { readonly type: "place"; readonly spec: LinkSpec; readonly home: string; readonly own: string | undefined }
  | { readonly type: "remove"; readonly target: string; readonly text: string; readonly home: string }
  | { readonly type: "heal"; readonly spec: LinkSpec; readonly home: string; readonly record: LinkRecord; readonly options: HealOptions };

export interface Results {
  readonly observe: ReadonlyMap<string, Found>;
  readonly place: LinkOutcome;
  readonly remove: RemoveOutcome;
  readonly heal: HealOutcome;
}

export function runJob(job: Job): Results[keyof Results] {
  switch (job.type) {
    case "observe":
      return new Map(job.paths.map((path) => [path, lookAt(path)]));
    case "place":
      return placeLink(job.spec, job.home, job.own);
    case "remove":
      return removeLink(job.target, job.text, job.home);
    case "heal":
      return healLink(job.spec, job.home, job.record, job.options);
  }
}
