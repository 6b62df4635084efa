// The threads that work on a storage bear its name. Of a server that was killed those remain which the storage holds in the kernel, and their
// names are all there is to tell whose they are.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";

/** Of 15 bytes, all that the kernel keeps. */
export const threadName = (storage: string): string => `hmp-${createHash("sha1").update(storage).digest("hex").slice(0, 11)}`;

/** Names the calling thread. */
export const nameThread = (name: string): void => writeFileSync("/proc/thread-self/comm", name);
