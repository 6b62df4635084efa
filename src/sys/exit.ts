// The end of a process some of whose threads the kernel may hold.
import { libc } from "./libc.ts";

/** Has the process end without waiting for its threads, as node would: one that waits in the kernel for a storage may do so for ever. */
export function endWithoutThreads(): void {
  process.once("exit", (code) => libc._exit(code));
}
