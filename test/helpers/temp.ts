// Directories a test owns. Storage for most cases is tmpfs (fast, and exact: pjdfstest fails nothing on it), so temporary directories
// live in /dev/shm unless a test asks for a disk.
import { execFileSync } from "node:child_process";
import { mkdtempSync, chownSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const SHM = "/dev/shm";

/** A new directory that only `uid` (default: this process's user) may use; the caller removes it. */
export function tempDirectory(name: string, options: { base?: string; uid?: number } = {}): string {
  const directory = mkdtempSync(join(options.base ?? tmpdir(), `hmpersist-${name}-`));
  if (options.uid !== undefined) chownSync(directory, options.uid, options.uid);
  chmodSync(directory, 0o755);
  return directory;
}

/** Removes everything below, paths beyond PATH_MAX too (which node:fs cannot). The directory must hold no mount. */
export const removeTree = (directory: string): void => void execFileSync("rm", ["-rf", "--one-file-system", directory]);
