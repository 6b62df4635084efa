// What another process is doing, as proc_pid_stat(5) says.
import { readFileSync } from "node:fs";

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
