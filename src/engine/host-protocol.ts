// What the daemon and the server process say to each other over node's IPC channel. Descriptors travel beside it, over the socket
// that is the server's descriptor 4, one message per mount, sent before the "serve" that needs it.
import type { EngineName, ServeSpec, ServeStats } from "./engine.ts";

/** Descriptor of the server process on which descriptors arrive. */
export const FD_SOCKET = 4;

export type ToServer =
  | {
      readonly type: "serve";
      /** Names this mount in "ended": another one may stand at its mountpoint by then. */
      readonly id: number;
      readonly engine: EngineName;
      readonly spec: ServeSpec;
      /** True: a message with the device and the state descriptor is waiting on the descriptor socket. */
      readonly device: boolean;
      /** The state was filled by a predecessor whose mount this is. */
      readonly resume: boolean;
      /** So many messages with files without a name follow it there. */
      readonly kept: number;
    }
  /** Mounts of these storages will follow. */
  | { readonly type: "warm"; readonly engine: EngineName; readonly storages: readonly string[] }
  | { readonly type: "stop"; readonly mountpoint: string }
  | { readonly type: "stats"; readonly seq: number }
  | { readonly type: "quit" };

export type FromServer =
  | { readonly type: "ready" }
  | { readonly type: "serving"; readonly mountpoint: string; readonly root: string }
  | { readonly type: "failed"; readonly mountpoint: string; readonly reason: string }
  | { readonly type: "ended"; readonly id: number; readonly mountpoint: string; readonly reason?: string }
  /** Files without a name were given to the daemon, or are to be dropped: it should look at the descriptor socket. */
  | { readonly type: "kept" }
  | { readonly type: "stats"; readonly seq: number; readonly mounts: Record<string, ServeStats> };
