// What is left of servers that died: threads that a storage holds in the kernel. Each finishes the call it is in when its storage answers.
import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { threadName } from "../engine/thread-name.ts";
import { threadNames } from "../sys/process-state.ts";

/** Between two looks whether a storage has let go of them. */
const LOOK_AGAIN_MS = 200;

export class Remains {
  readonly #pids = new Set<number>();

  /** `child` is dead but for such threads. It is waited for no longer: another one serves whatever they do not work on. */
  add(child: ChildProcess): void {
    const pid = child.pid ?? 0;
    this.#pids.add(pid);
    child.once("exit", () => this.#pids.delete(pid));
    child.removeAllListeners("message");
    if (child.connected) child.disconnect();
    child.unref();
  }

  /** Whether one of them is in a call on `storage`. */
  workOn(storage: string): boolean {
    return [...this.#pids].some((pid) => threadNames(pid).includes(threadName(storage)));
  }

  /** Resolves when none is any more. */
  async goneFrom(storage: string): Promise<void> {
    while (this.workOn(storage)) await sleep(LOOK_AGAIN_MS, undefined, { ref: false });
  }
}
