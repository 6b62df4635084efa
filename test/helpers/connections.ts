// Breaking the connection of a FUSE mount: every call on it fails at once and nothing hangs any more, whatever its server does.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const CONNECTIONS = "/sys/fs/fuse/connections";

/** @param minor the minor device number of the mount, as in mountinfo. */
export function abortConnection(minor: string): void {
  if (readdirSync(CONNECTIONS).length === 0) execFileSync("mount", ["-t", "fusectl", "none", CONNECTIONS]);
  const file = join(CONNECTIONS, minor, "abort");
  if (existsSync(file)) writeFileSync(file, "1");
}
