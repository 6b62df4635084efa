// The seam between whoever decides what is mounted (the daemon) and whoever answers the kernel (an engine in the server process):
// "serve this mount". Not "an operation": fuse-native speaks paths, the kernel engine node ids, and a common operation interface
// would drag both to the lowest.
import type { CacheMode } from "../config/config.ts";
import type { KeptFile } from "./keeping.ts";

export type EngineName = "kernel" | "fuse-native";

/** What an engine needs to know of one mount. Plain JSON: it crosses a process boundary. */
export interface ServeSpec {
  /** Absolute; names the mount in every message. */
  readonly mountpoint: string;
  /** The backing directory, absolute. */
  readonly source: string;
  /** The persistentStoragePath: mounts of one storage share a serving thread, mounts of two never do. */
  readonly storage: string;
  readonly cache: CacheMode;
  readonly allowOther: boolean;
  /** Print one rx and one tx line per request to stderr. */
  readonly trace: boolean;
}

/** Counters of one mount since its server started serving it. `hmpersist status --json` prints them: fields are only ever added. */
export interface ServeStats {
  readonly requests: number;
  /** Answers that tell of a fault (EIO, ENOSPC, ...), not "no such file". */
  readonly errors: number;
  /** Reads answered from memory, where the engine knows. */
  readonly cacheHits?: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Nodes the kernel holds a reference to, and files it holds open. */
  readonly nodes: number;
  readonly handles: number;
  /** Milliseconds the request now being answered has taken; 0 when idle. A large number is a stuck storage. */
  readonly busyMs: number;
  /** E.g. ["passthrough", "writeback"]: what was negotiated and is worth telling. */
  readonly features: readonly string[];
}

export interface ServedMount {
  /** The directory that is served: "dev:ino" as stat(2) has them. Whatever stands at the source later, it goes on with this one. */
  readonly root: string;
  /** Settles when the mount is gone: unmounted (undefined) or broken (the reason). Never rejects. */
  readonly ended: Promise<string | undefined>;
  stats(): ServeStats;
  /** Stops serving without unmounting: answers what was read, reads no more. What it returns has no other owner any more. */
  stop(): Promise<readonly KeptFile[]>;
}

/** What the servers of a mount leave to each other. The engine owns all descriptors but the socket. */
export interface Heritage {
  /** Shared memory (memfd) that outlives the server, for the engine's tables. */
  readonly fd: number;
  /** It was filled by a predecessor whose mount this is. */
  readonly resume: boolean;
  /** Who keeps files without a name meanwhile, and by which number the mount is known there: see keeping.ts. */
  readonly keeper?: { readonly socket: number; readonly id: number };
  readonly kept?: readonly KeptFile[];
}

/** An engine as the server process sees it. */
export interface Engine {
  readonly name: EngineName;
  /** Starts what the mounts of these storages will need, so that the first of them need not wait for it. */
  warm(storages: readonly string[]): void;
  /**
   * Serves `spec` until it is unmounted.
   * @param device an open /dev/fuse descriptor whose mount exists already; the engine owns it from here on. `undefined` for an engine
   *   that mounts by itself ("fuse-native").
   */
  serve(spec: ServeSpec, device: number | undefined, heritage?: Heritage): Promise<ServedMount>;
  /** Ends threads; all mounts are ended or stopped before. */
  close(): Promise<void>;
}

/** Whether an engine can run here; `reason` is shown to people. */
export interface EngineProbe {
  readonly name: EngineName;
  readonly available: boolean;
  readonly reason: string;
}
