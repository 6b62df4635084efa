// The last unmount of a mount, whose server is about to end: a busy one is detached, and its open files work until then.
import { execFile } from "node:child_process";
import type { Log } from "../log.ts";
import { isMounted } from "../mount/unmount.ts";
import { within } from "../within.ts";
import { describeHolders } from "./busy.ts";
import type { Mounts } from "./mounts.ts";

/** A polite unmount is given up after this long, and so is writing back what the kernel holds. */
const DEADLINE_MS = 5_000;

/** Never rejects: what cannot be unmounted keeps no other mount from it. */
export async function unmountAtEnd(target: string, mounts: Mounts, log: Log): Promise<void> {
  try {
    const holders = await within(mounts.unmount(target, false), DEADLINE_MS, null);
    if (holders !== null && holders.length === 0 && !isMounted(target)) return;
    log.warn({ mount: target, holders: describeHolders(holders ?? []) }, "detached while busy");
    await sync(target);
    await mounts.unmount(target, true);
  } catch (error) {
    log.error({ mount: target, error: String(error) }, "not unmounted");
  }
}

// What programs wrote the kernel may still hold (`exclusive`). In a process of its own, since syncfs(2) may hang; whatever comes of it.
async function sync(mountpoint: string): Promise<void> {
  const synced = new Promise<void>((resolve) => {
    execFile("sync", ["-f", mountpoint], { timeout: DEADLINE_MS, killSignal: "SIGKILL" }, () => resolve());
  });
  await within(synced, DEADLINE_MS, undefined);
}
