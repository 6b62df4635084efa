// What a check is and what it finds. A check looks at one thing, changes nothing, waits for nothing that may hang, and says in one
// line what is the matter and in one more what mends it.
import type { Config } from "../config/config.ts";
import type { StatusReport } from "../daemon/status.ts";
import type { MountInfo } from "../sys/mountinfo.ts";

/** skipped: it does not matter here, and the message says why. */
export type Verdict = "ok" | "warning" | "problem" | "skipped";

export interface Finding {
  /** Stable name for scripts, e.g. "fusermount3". */
  readonly check: string;
  readonly verdict: Verdict;
  readonly message: string;
  /** The line that mends it. */
  readonly fix?: string;
}

/** What the checks are about, gathered once. */
export interface Machine {
  readonly env: NodeJS.ProcessEnv;
  readonly uid: number;
  readonly user: string;
  readonly home: string;
  /** Undefined where there is none, or none that is valid. */
  readonly config: Config | undefined;
  /** Undefined where there is none. */
  readonly configFile: string | undefined;
  readonly mounts: readonly MountInfo[];
  /** Storages that do not answer: whoever looks into them waits. */
  readonly silent: readonly string[];
  /** What the daemon says; undefined where none answers. */
  readonly status: StatusReport | undefined;
}

export type Check = (machine: Machine) => Finding[] | Promise<Finding[]>;

/** Makes the findings of one check. */
export const about = (check: string) => ({
  ok: (message: string): Finding => ({ check, verdict: "ok", message }),
  skipped: (message: string): Finding => ({ check, verdict: "skipped", message }),
  warning: (message: string, fix?: string): Finding => finding(check, "warning", message, fix),
  problem: (message: string, fix?: string): Finding => finding(check, "problem", message, fix),
});

const finding = (check: string, verdict: Verdict, message: string, fix: string | undefined): Finding =>
  fix === undefined ? { check, verdict, message } : { check, verdict, message, fix };
