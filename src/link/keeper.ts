// Keeps the links of one daemon: places them, watches their parents, heals what programs replaced, remembers it. The only door the
// daemon uses; file-system calls run in one worker thread per storage, so that a stuck storage stalls only its own links.
import type { Found, LinkSpec } from "../plan/types.ts";
import type { LinkOutcome, LinkStatus, RemoveOutcome } from "./types.ts";

export interface KeeperOptions {
  readonly home: string;
  /** A private directory that may vanish with the home (the memory of a lost home is worthless). */
  readonly stateDir: string;
  readonly log: (level: "info" | "warn" | "error", fields: Readonly<Record<string, unknown>>, message: string) => void;
  /** Called after the state of any link changed. */
  readonly changed?: () => void;
}

export interface LinkKeeper {
  /**
   * What stands at each of `paths`, never following a link and never waiting for a stuck storage longer than the deadline ("error",
   * ETIMEDOUT). `lane` groups what may be stuck together: a persistentStoragePath, or "" for the home.
   */
  observe(lane: string, paths: readonly string[]): Promise<ReadonlyMap<string, Found>>;
  /** For `Observation.ownLinks`. */
  ownLinks(): ReadonlyMap<string, string>;
  /** Makes the parents and the link; conflicts are settled by the entry's `onConflict`. Never rejects. */
  place(spec: LinkSpec): Promise<LinkOutcome>;
  /** Only if it is still the link with this text. Never rejects. */
  remove(target: string, text: string): Promise<RemoveOutcome>;
  /** From now on exactly these links are watched and healed; resolves when what had happened before is healed. */
  keep(specs: readonly LinkSpec[]): Promise<void>;
  /** In the order given to `keep`. */
  status(): readonly LinkStatus[];
  /** Ends watching, waits for a healing under way, ends the threads. */
  close(): Promise<void>;
}

export declare function createLinkKeeper(options: KeeperOptions): LinkKeeper;
