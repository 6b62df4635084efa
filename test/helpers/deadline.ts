// Waiting: every wait ends, and one that ends late says what hangs. Kernel stacks come from /proc, which no stuck mount can block.
import { readFileSync, readdirSync } from "node:fs";

/** Where every thread of `pid` is in the kernel; needs root, and says so otherwise. */
export function kernelStacks(pid: number): string {
  const lines: string[] = [];
  for (const thread of threads(pid)) {
    const at = `/proc/${pid}/task/${thread}`;
    lines.push(`-- ${pid}/${thread} ${read(`${at}/comm`).trim()} ${read(`${at}/wchan`)}\n${read(`${at}/stack`)}`);
  }
  return lines.join("\n");
}

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return `(${String(error)})`;
  }
};

const threads = (pid: number): string[] => {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
};

/** `promise`, or after `ms` an error with `what` and whatever `dump` has to tell. */
export async function deadline<T>(what: string, ms: number, promise: Promise<T>, dump: () => string = () => ""): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms\n${dump()}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Polls `probe` until it gives something. */
export async function until<T>(what: string, ms: number, probe: () => T | undefined | false, dump?: () => string): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = probe();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms\n${dump?.() ?? ""}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
