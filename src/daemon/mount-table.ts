// Tells of changes of the mount table. The kernel says so by an exceptional condition on mountinfo (poll(2): POLLPRI and POLLERR), once
// for all that happened since it was last asked; several mounts in a row are told of once.
import { closeSync, openSync } from "node:fs";
import { watchHangup } from "../sys/libc.ts";

const QUIET_MS = 300;
const AGAIN_MS = 5_000;

/**
 * Calls `onChange` some time after every change. Where that throws (no descriptor is left to read the table by) `failed` is told why, and it
 * is called again later. Returns what ends it.
 */
export function watchMountTable(onChange: () => void, failed: (error: unknown) => void): () => void {
  const fd = openSync("/proc/self/mountinfo", "r");
  let timer: NodeJS.Timeout | undefined;
  let unwatch: (() => void) | undefined;
  const tell = (): void => {
    try {
      onChange();
    } catch (error) {
      failed(error);
      timer = setTimeout(tell, AGAIN_MS);
    }
  };
  const arm = (): void => {
    unwatch = watchHangup(fd, () => {
      unwatch?.();
      unwatch = undefined;
      clearTimeout(timer);
      timer = setTimeout(() => {
        arm();
        tell();
      }, QUIET_MS);
    });
  };
  arm();
  return () => {
    clearTimeout(timer);
    unwatch?.();
    closeSync(fd);
  };
}
