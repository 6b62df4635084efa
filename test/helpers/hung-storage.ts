// A storage that holds whoever works on it, as a disk that does not answer: two bindfs, one on the other, of which the lower one can be
// stopped. The upper one has read the request then, so that whoever waits for it cannot be killed either (state D).
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mountAll } from "./faults.ts";
import { startMount, type Mounted } from "./mounted.ts";
import type { Sandbox } from "./sandbox.ts";

export interface HungStorage {
  readonly path: string;
  readonly hang: () => void;
  /** Whether it holds anybody. */
  readonly holds: () => boolean;
  readonly answer: () => void;
}

/** Runs `body` with a storage that shows `source`. Afterwards nobody waits for it any more, whatever happened. */
export async function withHungStorage<T>(source: string, body: (storage: HungStorage) => Promise<T>): Promise<T> {
  const lower = await startMount({ engine: "bindfs", source });
  let upper: Mounted | undefined;
  try {
    const { mountpoint, pid } = (upper = await startMount({ engine: "bindfs", source: lower.mountpoint }));
    const waits = (tid: string): boolean => readFileSync(`/proc/${pid}/task/${tid}/wchan`, "latin1") === "request_wait_answer";
    return await body({
      path: mountpoint,
      hang: () => lower.signal("SIGSTOP"),
      holds: () => readdirSync(`/proc/${pid}/task`).some(waits),
      answer: () => lower.signal("SIGCONT"),
    });
  } finally {
    lower.abort();
    lower.signal("SIGCONT");
    await upper?.dispose();
    await lower.dispose();
  }
}

/** The same with two directories mounted in the home of `sandbox`: `held` from that storage, `free` from another. */
export async function withHeldAndFree<T>(sandbox: Sandbox, body: (storage: HungStorage) => Promise<T>): Promise<T> {
  const [real, other] = [join(sandbox.base, "real"), join(sandbox.base, "other")];
  for (const directory of [join(real, "held"), join(other, "free")]) mkdirSync(directory, { recursive: true });
  return withHungStorage(real, async (storage) => {
    await mountAll(sandbox, "kernel", { [storage.path]: { directories: ["held"] }, [other]: { directories: ["free"] } });
    return body(storage);
  });
}
