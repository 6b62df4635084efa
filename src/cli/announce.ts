// How a daemon started in the background tells the waiting command line how it went: one message over node's IPC channel.
import type { Outcome } from "../daemon/daemon.ts";
import type { ErrorCode } from "../errors.ts";

export interface Announcement {
  readonly outcome?: Outcome;
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined };
}

export const isBackground = (): boolean => process.send !== undefined;

/** Sends it and cuts the channel: from here on the daemon is on its own. */
export function announce(announcement: Announcement): void {
  process.send?.(announcement, () => {
    if (process.connected) process.disconnect();
  });
}
