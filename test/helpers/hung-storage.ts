// A storage that holds whoever works on it, as a disk that does not answer: two bindfs, one on the other, of which the lower one can be
// stopped. The upper one has read the request then, so that whoever waits for it cannot be killed either (state D).
import { readdirSync, readFileSync } from "node:fs";
import { startMount, type Mounted } from "./mounted.ts";

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
