// What the main thread, a serving thread and its I/O lanes tell each other. The counters lie in shared memory, so that reading them
// never waits for a thread that a storage has stopped.
import type { MessagePort } from "node:worker_threads";
import type { Heritage, ServeSpec } from "../engine/engine.ts";
import type { KeptFile } from "../engine/keeping.ts";
import type { LaneJob } from "./passthrough/lane-job.ts";
import type { Limits } from "./passthrough/passthrough.ts";

export interface ThreadData {
  /** What the thread is called: see ../engine/thread-name.ts. */
  readonly name: string;
  readonly control: MessagePort;
  /** eventfd that the main thread writes after it posted to `control`. */
  readonly wake: number;
  readonly lanes: readonly MessagePort[];
  /** One Int32 a lane: jobs it has not answered yet. */
  readonly inflight: SharedArrayBuffer;
  /** Shared by all threads: see turn.ts. */
  readonly turn: SharedArrayBuffer;
  readonly spinUs: number;
  readonly passthrough: boolean;
  readonly warmUp: boolean;
  /** Descriptors kept by each mount. */
  readonly limits: Limits;
}

export type ToThread =
  | {
      readonly type: "add";
      readonly id: number;
      readonly spec: ServeSpec;
      readonly device: number;
      readonly heritage: Heritage | undefined;
      readonly counters: SharedArrayBuffer;
    }
  | { readonly type: "remove"; readonly id: number }
  | { readonly type: "close" };

export type FromThread =
  | { readonly type: "serving"; readonly id: number; readonly root: string }
  | { readonly type: "failed"; readonly id: number; readonly reason: string }
  | { readonly type: "negotiated"; readonly id: number; readonly features: readonly string[] }
  | { readonly type: "ended"; readonly id: number; readonly reason: string | undefined; readonly kept: readonly KeptFile[] }
  | { readonly type: "kept" }
  | { readonly type: "lane"; readonly slot: number };

/** One call for a lane, and where its answer goes. */
export interface LaneRequest extends LaneJob {
  /** A duplicate which the lane closes: the session may be over, and the number of its own another file's, before a storage lets go of the lane. */
  readonly device: number;
  readonly uniqueLo: number;
  readonly uniqueHi: number;
  /** The mount's counters. */
  readonly counters: SharedArrayBuffer;
}

export interface LaneData {
  /** Its serving thread's. */
  readonly name: string;
  readonly port: MessagePort;
  readonly inflight: SharedArrayBuffer;
  /** Its own slot of `inflight`. */
  readonly slot: number;
}

/** Float64 slots of a mount's counters. */
export const COUNTER = {
  requests: 0,
  errors: 1,
  bytesRead: 2,
  bytesWritten: 3,
  nodes: 4,
  handles: 5,
  busySince: 6,
  laneBytesRead: 7,
  cacheHits: 8,
  laneErrors: 9,
} as const;
export const COUNTERS = 10;
