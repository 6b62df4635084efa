// What `hmpersist status --json` prints: stable for scripts, so fields are only ever added. Types only; the daemon fills them, and
// without a daemon the command fills what the mount table tells, and whether the mounts answer.
import type { CacheMode } from "../config/config.ts";
import type { EngineName, ServeStats } from "../engine/engine.ts";
import type { Refusal } from "../plan/types.ts";

/**
 * mounted, linked: as it should be. dangling: a link whose file does not exist yet, which is normal. healed: a link that a program
 * had replaced and that was mended. refused: something is in the way and was left alone. conflicted: two versions of a file were kept.
 * dead: a mount whose server is gone. stale: a mount that shows a directory which is not in storage any more. stuck: a mount that does not
 * answer. missing: not there. pending: being worked on. unlisted: a mount that is in use, though no entry of the configuration is for it any more.
 */
export type EntryState =
  | "mounted"
  | "linked"
  | "dangling"
  | "healed"
  | "refused"
  | "conflicted"
  | "dead"
  | "stale"
  | "stuck"
  | "missing"
  | "pending"
  | "unlisted";

export interface EntryStatus {
  readonly type: "directory" | "file";
  readonly source: string;
  readonly target: string;
  /** The persistentStoragePath. */
  readonly storage: string;
  readonly method: "fuse" | "symlink" | "bind";
  readonly engine: EngineName | null;
  readonly cache?: CacheMode;
  readonly state: EntryState;
  /** Nothing for the user to do. */
  readonly healthy: boolean;
  /** One line on what is wrong, or worth knowing. */
  readonly detail?: string;
  /** How often a replaced link was mended, and when last (milliseconds since 1970). */
  readonly healed?: { readonly count: number; readonly last: number };
  /** Older versions that were kept beside the file in storage. */
  readonly backups?: readonly string[];
  readonly stats?: ServeStats;
}

export interface StatusReport {
  readonly version: string;
  /** `since`: milliseconds since 1970. Null: no daemon is running. */
  readonly daemon: { readonly pid: number; readonly since: number; readonly state: "running" | "degraded" | "stopping" } | null;
  /** Null: none runs just now. `deaths` counts those servers that ended without being asked to; `lastDeath` is a signal or an exit code. */
  readonly server: { readonly pid: number; readonly restarts: number; readonly deaths: number; readonly lastDeath?: string } | null;
  readonly home: string;
  readonly configFile: string | null;
  readonly entries: readonly EntryStatus[];
  readonly refusals: readonly Refusal[];
  /** What is wrong beyond single entries, one line each. */
  readonly problems: readonly string[];
}
