// Adopts one entry of the configuration, directory or file; for the command line and for `onNonEmpty: "adopt"`.
import { HmpersistError } from "../errors.ts";
import { printable } from "../sys/text.ts";
import { ParentError } from "../sys/walk.ts";
import type { Spec } from "../plan/types.ts";
import { DirectoryAdoption, list } from "./directory.ts";
import { adoptFile, planFile } from "./file.ts";
import { OtherFilesystem } from "./tree.ts";
import type { AdoptPlan, AdoptRequest, Merge, Progress } from "./types.ts";

export interface AdoptOptions {
  readonly merge: Merge | undefined;
  readonly ignoreWriters: boolean;
  readonly progress?: Progress;
  /** Mounts the storage directory over the empty mountpoint that was left. Not called for links. */
  readonly mount?: () => Promise<void>;
  /** The original, once out of its place, stays: a second run will remove it. */
  readonly keepOriginal?: boolean;
}

export interface Adopted extends AdoptPlan {
  /** Changed after they were copied; what is left of the original is still at `aside`. */
  readonly late: readonly string[];
  readonly aside: string | undefined;
  /** Why there is something left, and a way out. */
  readonly left: { readonly reason: string; readonly hint: string } | undefined;
}

const NOTHING_LEFT = { late: [], aside: undefined, left: undefined };

const requestOf = (spec: Spec, home: string, options: Pick<AdoptOptions, "merge" | "ignoreWriters">): AdoptRequest => ({
  target: spec.target,
  source: spec.source,
  home,
  storage: spec.storage,
  leave: spec.kind === "mount" ? "mountpoint" : "link",
  merge: options.merge,
  ignoreWriters: options.ignoreWriters,
});

const isFile = (spec: Spec): boolean => spec.kind === "link" && spec.what === "file";

/** What adopting `spec` would do; changes nothing. */
export function planAdoption(spec: Spec, home: string): AdoptPlan {
  return explained(spec, () => {
    if (spec.kind === "link" && isFile(spec)) return planFile(spec, home);
    const adoption = new DirectoryAdoption(requestOf(spec, home, { merge: undefined, ignoreWriters: true }), true);
    try {
      return adoption.plan();
    } finally {
      adoption.close();
    }
  });
}

/** Adopts `spec`. Throws HmpersistError; whatever it throws, all data is where it was or in storage, or both. */
export async function adopt(spec: Spec, home: string, options: AdoptOptions): Promise<Adopted> {
  if (spec.kind === "link" && isFile(spec)) {
    return { ...explained(spec, () => adoptFile(spec, home, options.merge)), ...NOTHING_LEFT };
  }
  const adoption = explained(spec, () => new DirectoryAdoption(requestOf(spec, home, options)));
  try {
    const plan = explained(spec, () => moveAway(adoption, options.progress));
    if (spec.kind === "mount") await options.mount?.();
    return { ...plan, ...(options.keepOriginal === true ? NOTHING_LEFT : finish(spec, adoption)) };
  } finally {
    adoption.close();
  }
}

// All is in storage and in use by now: that the original cannot be removed undoes nothing.
function finish(spec: Spec, adoption: DirectoryAdoption): Pick<Adopted, "late" | "aside" | "left"> {
  const aside = adoption.asidePath;
  try {
    const late = explained(spec, () => adoption.finish());
    if (late.length === 0) return NOTHING_LEFT;
    const reason = printable(`changed while it was adopted: ${list(late)}; the original is at ${aside}`);
    return { late, aside, left: { reason, hint: "compare both and remove it" } };
  } catch (error) {
    if (!(error instanceof HmpersistError)) throw error;
    const reason = printable(`the original, now at ${aside}, could not be removed: ${error.message}`);
    return { late: [], aside, left: { reason, hint: error.hint ?? "remove it" } };
  }
}

function moveAway(adoption: DirectoryAdoption, progress: Progress | undefined): AdoptPlan {
  const plan = adoption.store(progress);
  adoption.leave();
  return plan;
}

const HINTS: Record<string, string> = {
  ENOSPC: "make room in storage",
  EDQUOT: "make room in storage (quota)",
  EROFS: "the filesystem is read-only; remount it writable",
  EACCES: "every file and directory must be readable, and the storage writable",
  ENOENT: "what is named there must exist: mount or create it, and try again",
  ENOTDIR: "what is named there must be a directory: mount or create it, and try again",
  EPERM: "check for an immutable attribute (lsattr) and the owners",
  EIO: "check the disk",
};

function explained<T>(spec: Spec, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ParentError)
      throw new HmpersistError("HMP_REFUSED", error.message, "parents must be plain directories", { cause: error });
    if (error instanceof OtherFilesystem)
      throw new HmpersistError("HMP_REFUSED", printable(`${spec.target}: ${error.message}`), "unmount it", { cause: error });
    // The trees are walked recursively.
    if (error instanceof RangeError) {
      const reason = `${spec.target}: its directories are nested too deep`;
      throw new HmpersistError("HMP_REFUSED", printable(reason), "move the deepest ones elsewhere first", { cause: error });
    }
    // node's own calls answer like ours.
    if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) throw error;
    const hint = HINTS[String(error.code)] ?? "see errno(3)";
    throw new HmpersistError("HMP_REFUSED", printable(`${spec.target}: ${error.message}`), hint, { cause: error });
  }
}
