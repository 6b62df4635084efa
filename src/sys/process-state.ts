// What another process is doing, as proc_pid_stat(5) says.
import { readdirSync, readFileSync } from "node:fs";
import { raw } from "./call.ts";
import { close } from "./file.ts";
import { libc, watchReadable } from "./libc.ts";

/** The same number on every architecture. */
const SYS_PIDFD_OPEN = 434;
/** Readable when this thread has ended, whatever becomes of the others (Linux 6.9). */
const PIDFD_THREAD = 0o200;

/** Whether `pid` was stopped by a signal (SIGSTOP, or a debugger): it answers nothing until SIGCONT. */
export function isStopped(pid: number): boolean {
  try {
    // The command, in parentheses, may hold anything.
    const state = /^.*\) (\S)/s.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1];
    return state === "T" || state === "t";
  } catch {
    return false;
  }
}

/** What `read` gives of a process; nothing once that has gone. */
function unlessGone<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch {
    return [];
  }
}

const threadsOf = (pid: number): string[] => unlessGone(() => readdirSync(`/proc/${pid}/task`));

/** The names of the threads of `pid` that have not ended; of a dead process they are in a call that does not return. */
export const threadNames = (pid: number): string[] =>
  threadsOf(pid).flatMap((tid) => unlessGone(() => [readFileSync(`/proc/${pid}/task/${tid}/comm`, "utf8").trimEnd()]));

/**
 * Calls `onDeath` when `pid` dies, where the kernel can tell, also if a thread of it is held. Returns what ends the watch. It is node's second
 * thread that is waited for, which lives as long as its process: of the first one the kernel tells when all have ended.
 */
export function watchDeath(pid: number, onDeath: () => void): () => void {
  const [, thread = pid] = threadsOf(pid).map(Number);
  const fd = raw(libc.pidfd_open, SYS_PIDFD_OPEN, thread, PIDFD_THREAD);
  if (fd < 0) return () => {};
  let unwatch: (() => void) | undefined = watchReadable(fd, () => {
    end();
    onDeath();
  });
  const end = (): void => {
    if (unwatch === undefined) return;
    unwatch();
    unwatch = undefined;
    close(fd);
  };
  return end;
}
