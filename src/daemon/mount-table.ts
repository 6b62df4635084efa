// Tells of changes of the mount table. The kernel says so by an exceptional condition on mountinfo (poll(2): POLLPRI and POLLERR), once
// for all that happened since it was last asked; several mounts in a row are told of once.
import { closeSync, openSync } from "node:fs";
import { watchHangup } from "../sys/libc.ts";

const QUIET_MS = 300;

/** Calls `onChange` some time after every change. Returns what ends it. */
export function watchMountTable(onChange: () => void): () => void {
  const fd = openSync("/proc/self/mountinfo", "r");
  let timer: NodeJS.Timeout | undefined;
  let unwatch: (() => void) | undefined;
  const arm = (): void => {
    unwatch = watchHangup(fd, () => {
      unwatch?.();
      unwatch = undefined;
      timer = setTimeout(() => {
        arm();
        onChange();
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
