// A daemon that does not answer: who it is, and why.
import { isStopped } from "../sys/process-state.ts";
import { lockHolder } from "./instance-lock.ts";

/** The one that holds the lock; undefined if none does. */
export function silentDaemon(lockFile: string): { readonly pid: number; readonly stopped: boolean } | undefined {
  const pid = lockHolder(lockFile);
  return pid === undefined ? undefined : { pid, stopped: isStopped(pid) };
}
