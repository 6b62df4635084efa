// What others do on the machine while we measure. The scheduler keeps a client and its server on one CPU when the other one is taken, and
// a wake-up within a CPU costs a fifth of one across: with company every figure means something else, so company is measured.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** USER_HZ: /proc/stat counts in hundredths of a second. */
const TICK_MS = 10;
const WINDOW_MS = 250;

/** Milliseconds of CPU that all processes and the kernel have used since boot: user, nice, system, irq, softirq. */
export function usedMs(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = /^cpu +(.*)$/m
    .exec(readFileSync("/proc/stat", "latin1"))![1]!
    .split(" ")
    .map(Number);
  return (user + nice + system + irq + softirq) * TICK_MS;
}

/** Adds up, over several spans of time, what others used. */
export class Others {
  #elapsed = 0;
  #used = 0;

  /** Runs `body`, which says how many milliseconds of CPU were its own (besides this process's). */
  async during<T extends { readonly ownMs: number }>(body: () => Promise<T>): Promise<T> {
    const [begin, used, own] = [performance.now(), usedMs(), process.cpuUsage()];
    const result = await body();
    const { user, system } = process.cpuUsage(own);
    this.#elapsed += performance.now() - begin;
    this.#used += usedMs() - used - result.ownMs - (user + system) / 1000;
    return result;
  }

  /** CPUs that others kept busy, e.g. 0.05. */
  get share(): number {
    return this.#elapsed === 0 ? 0 : Math.max(0, this.#used / this.#elapsed);
  }
}

/** Waits until nobody uses more than `share` of a CPU, for at most `ms`; how long it waited. */
export async function quietMoment(share: number, ms: number): Promise<number> {
  const begin = performance.now();
  for (;;) {
    const others = new Others();
    await others.during(async () => {
      await sleep(WINDOW_MS);
      return { ownMs: 0 };
    });
    const waited = performance.now() - begin;
    if (others.share <= share || waited >= ms) return waited;
  }
}
