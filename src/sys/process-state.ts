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

/** Of a thread that runs no more code and gives up what it has: closing a file may wait for a storage, too. */
const PF_EXITING = 0x4;

/** The names of the threads of `pid` that do not end; of a dead process they are in a call that does not return. */
export const threadNames = (pid: number): string[] =>
  threadsOf(pid).flatMap((tid) =>
    unlessGone(() => {
      const [, name = "", fields = ""] = /\((.*)\) (.*)/s.exec(readFileSync(`/proc/${pid}/task/${tid}/stat`, "latin1")) ?? [];
      return (Number(fields.split(" ")[6]) & PF_EXITING) === 0 ? [name] : [];
    }),
  );

/**
 * Calls `onDeath` when `pid` dies, where the kernel can tell, also if a thread of it is held. Returns what ends the watch. Node's second and
 * third thread are waited for, which live as long as their process: of the first one the kernel tells when all have ended, and whichever
 * ends last closes all files.
 */
export function watchDeath(pid: number, onDeath: () => void): () => void {
  const watches = threadsOf(pid)
    .slice(1, 3)
    .map((thread) =>
      watchThread(Number(thread), () => {
        end();
        onDeath();
      }),
    );
  const end = (): void => watches.splice(0).forEach((unwatch) => unwatch());
  return end;
}

function watchThread(thread: number, onEnd: () => void): () => void {
  const fd = raw(libc.pidfd_open, SYS_PIDFD_OPEN, thread, PIDFD_THREAD);
  if (fd < 0) return () => {};
  const unwatch = watchReadable(fd, onEnd);
  return () => {
    unwatch();
    close(fd);
  };
}
