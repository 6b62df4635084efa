// Starts the daemon as a process of its own session and waits until everything is mounted or refused.
import { fork } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { locations } from "../config/locations.ts";
import { makePrivateDirectory } from "../daemon/instance-lock.ts";
import { HmpersistError } from "../errors.ts";
import { LOOKERS } from "../gate.ts";
import type { Announcement } from "./announce.ts";
import type { MountOptions } from "./commands/mount.ts";
import { workingDirectory } from "./working-directory.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/hmpersist.js", import.meta.url));

export async function startBackground(options: MountOptions): Promise<void> {
  const { runtimeDir } = locations(process.env);
  makePrivateDirectory(runtimeDir);
  const logFile = join(runtimeDir, "daemon.log");
  const log = openLog(logFile);
  // The daemon must not pin the directory it was started from, and its own output must not hold a pipe of the caller open.
  const args = process.argv.slice(process.argv.indexOf("mount", 2) + 1);
  const child = fork(PROGRAM, ["mount", "--foreground", ...args], {
    detached: true,
    cwd: "/",
    env: absoluteEnv(),
    stdio: ["ignore", log, log, "ipc"],
  });
  closeSync(log);
  // Loaded while the daemon starts, which takes longer.
  const printing = import("./print.ts");
  const { outcome, error } = await heard(child, logFile);
  if (error !== undefined) throw new HmpersistError(error.code, error.message, error.hint);
  if (outcome === undefined) return;
  (await printing).printReport(outcome.report, options);
  process.exitCode = outcome.exitCode;
  child.unref();
}

function openLog(path: string): number {
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new HmpersistError(
      "HMP_ENVIRONMENT",
      `cannot write ${path}: ${code}`,
      "make room on that file system, and check its permissions",
    );
  }
}

// Relative paths on the command line were meant from where the user stands.
const absoluteEnv = (): NodeJS.ProcessEnv => ({ ...process.env, HMPERSIST_CWD: workingDirectory(), UV_THREADPOOL_SIZE: String(LOOKERS) });

function heard(child: ReturnType<typeof fork>, logFile: string): Promise<Announcement> {
  return new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as Announcement));
    child.once("exit", (code, signal) => {
      reject(
        new HmpersistError("HMP_INTERNAL", `the daemon ended before it was ready (${signal ?? `exit code ${code}`})`, `see ${logFile}`),
      );
    });
  });
}
