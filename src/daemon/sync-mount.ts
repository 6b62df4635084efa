// What programs wrote to a mount the kernel may still hold (`exclusive`): before a mount loses its server that has to be in storage.
import { execFile } from "node:child_process";
import { within } from "../within.ts";

/** syncfs(2) of a mount, in a process of its own since it may hang. Settles after `ms` at the latest, whatever came of it. */
export async function syncMount(mountpoint: string, ms: number): Promise<void> {
  const synced = new Promise<void>((resolve) => {
    execFile("sync", ["-f", mountpoint], { timeout: ms, killSignal: "SIGKILL" }, () => resolve());
  });
  await within(synced, ms, undefined);
}
