// Where the user stands: relative paths on a command line are meant from there. A daemon in the background stands elsewhere, and is told in
// HMPERSIST_CWD; a directory that was deleted is the empty string.
import { isAbsolute, resolve } from "node:path";
import { HmpersistError } from "../errors.ts";

/** Comes first: in a directory that was deleted no thread and no other program can be started. */
export function leaveDeletedDirectory(): void {
  try {
    process.cwd();
  } catch {
    process.env["HMPERSIST_CWD"] = "";
    process.chdir("/");
  }
}

export const workingDirectory = (): string => process.env["HMPERSIST_CWD"] ?? process.cwd();

/** @throws HmpersistError HMP_USAGE for an empty path, HMP_ENVIRONMENT for a relative one where the working directory was deleted. */
export function absolute(path: string): string {
  if (path === "") throw new HmpersistError("HMP_USAGE", "an empty path", "a variable may be unset; write . for the working directory");
  if (isAbsolute(path)) return resolve(path);
  const from = workingDirectory();
  if (from !== "") return resolve(from, path);
  throw new HmpersistError("HMP_ENVIRONMENT", "the working directory was deleted", "cd to one that is there, or give absolute paths");
}
