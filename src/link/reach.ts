// Directories of mounts, made and opened for the daemon: by the confined walk, in a worker thread, in words when it fails.
import { SysError } from "../sys/errno.ts";
import { close } from "../sys/file.ts";
import { printable } from "../sys/text.ts";
import { openDirectory, openPlace, openWithin, ParentError, stepInto } from "../sys/walk.ts";
import { HINTS } from "./problems.ts";
import type { Problem } from "./types.ts";

/**
 * "make": one directory with these permissions, whatever the umask; one that is there already is left as it is. "open": O_PATH,
 * `links` as far as they stay below the root.
 */
export type Reach =
  | { readonly type: "make"; readonly root: string; readonly path: string; readonly mode: number }
  | { readonly type: "open"; readonly root: string; readonly path: string; readonly links: boolean };

/** `fd` is open in the whole process, and owned by whoever asked. */
export type ReachOutcome =
  | { readonly result: "made" }
  | { readonly result: "opened"; readonly fd: number }
  | ({ readonly result: "failed" } & Problem);

export function reach(wanted: Reach): ReachOutcome {
  try {
    if (wanted.type === "make") return make(wanted.root, wanted.path, wanted.mode);
    return { result: "opened", fd: (wanted.links ? openWithin : openDirectory)(wanted.root, wanted.path) };
  } catch (error) {
    if (error instanceof ParentError) {
      return { result: "failed", reason: printable(error.message), hint: "only plain directories may lead to an entry" };
    }
    if (!(error instanceof SysError)) throw error;
    return { result: "failed", reason: printable(`${wanted.path}: ${error.message}`), hint: HINTS[error.code] ?? "see errno(3)" };
  }
}

function make(root: string, path: string, mode: number): ReachOutcome {
  const { dir, name } = openPlace(root, path);
  try {
    close(stepInto(dir, name, path, { mode }));
    return { result: "made" };
  } finally {
    close(dir);
  }
}

/** For a descriptor that nobody waits for any more. */
export function drop(outcome: ReachOutcome): void {
  if (outcome.result === "opened") close(outcome.fd);
}
