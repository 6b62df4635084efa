// Words for what keeps a link from its place: what is in the way, where, and a way out.
import { isDirectory, isRegular, isSymlink, type Stat } from "../sys/stat.ts";
import { SysError } from "../sys/errno.ts";
import { printable } from "../sys/text.ts";
import type { LinkSpec } from "../plan/types.ts";
import { ParentError } from "../sys/walk.ts";

type Conflict = { readonly result: "conflict"; readonly reason: string; readonly hint: string };
type Failed = { readonly result: "failed"; readonly errno: string; readonly reason: string; readonly hint: string };

const MOVE = "move it away, or set onConflict to 'backup' or 'adopt'";

export const conflict = (reason: string, spec: LinkSpec, hint = `see ${spec.option}`): Conflict => ({
  result: "conflict",
  reason: printable(reason),
  hint,
});

export const foreignLink = (spec: LinkSpec, text: string): Conflict =>
  conflict(`${spec.target} is a link to ${text}, which is not ours`, spec, "remove that link, or take the entry out of the configuration");

export function inTheWay(spec: LinkSpec, stat: Stat): Conflict {
  if (isDirectory(stat)) {
    const hint = spec.what === "directory" ? `'hmpersist adopt' moves it into storage; or ${MOVE}` : MOVE;
    return conflict(`${spec.target} is a directory`, spec, hint);
  }
  if (isRegular(stat)) return conflict(`${spec.target} is a file that differs from the one in storage`, spec, MOVE);
  return conflict(`${spec.target} is ${isSymlink(stat) ? "a link" : "neither a file nor a directory"}`, spec, MOVE);
}

export const HINTS: Record<string, string> = {
  ENOSPC: "make room in storage, or in the home; it is tried again",
  EDQUOT: "make room in storage, or in the home (quota); it is tried again",
  EROFS: "the filesystem is read-only; remount it writable",
  EACCES: "check the permissions of both directories",
  EPERM: "check for an immutable attribute (lsattr) and the owner",
  ENOENT: "check that home and storage exist",
  EIO: "check the disk",
};

/** A refusal for what a filesystem answered; anything else is a bug and thrown on. */
export function asProblem(error: unknown, spec: LinkSpec): Conflict | Failed {
  if (error instanceof ParentError)
    return conflict(error.message, spec, "a link's parents must be plain directories inside home and storage");
  if (!(error instanceof SysError)) throw error;
  const hint = HINTS[error.code] ?? "see errno(3)";
  return { result: "failed", errno: error.code, reason: printable(`${spec.target}: ${error.message}`), hint };
}
