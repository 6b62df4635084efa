// Runs fusermount3 as a child with a deadline: it is set-uid, it may hang on a stuck parent mount, and its one line on stderr is the
// only explanation of a refusal there is.
import { spawn, type StdioOptions } from "node:child_process";
import { printable } from "../sys/text.ts";

export interface Ran {
  /** Exit code; 124 when the deadline passed and it was killed, 127 when it could not be started. */
  readonly code: number;
  /** What it said, on one line and printable, without its program name. */
  readonly said: string;
}

const MAX_OUTPUT = 4096;
/** Of what is shown: fusermount3 says one line. */
const MAX_SAID = 1000;
const DEADLINE_MS = 10_000;

function oneLine(text: string): string {
  const line = text
    .trim()
    .replace(/^fusermount3?: /, "")
    .replaceAll(/\s*\n\s*/g, "; ");
  const shown = printable(line);
  return shown.length > MAX_SAID ? `${shown.slice(0, MAX_SAID)}…` : shown;
}

/** Never rejects. @param options commFd: becomes the child's descriptor 3. */
export function runFusermount(
  path: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; commFd?: number; timeoutMs?: number } = {},
): Promise<Ran> {
  const stdio: StdioOptions = options.commFd === undefined ? ["ignore", "ignore", "pipe"] : ["ignore", "ignore", "pipe", options.commFd];
  return new Promise((resolve) => {
    const child = spawn(path, args, { stdio, env: { ...process.env, LC_ALL: "C", ...options.env } });
    let said = "";
    // Not when it has ended, which something stuck in the kernel never does, nor when its stderr is closed, which a child of its keeps.
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      child.stderr?.destroy();
      child.unref();
      resolve({ code: 124, said: "did not end in time" });
    }, options.timeoutMs ?? DEADLINE_MS);
    // What became of it, its end tells.
    child.stderr?.on("error", () => {});
    child.stderr?.setEncoding("utf8");
    child.stderr?.on("data", (chunk: string) => {
      said += chunk.slice(0, MAX_OUTPUT - said.length);
    });
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: 127, said: error.message });
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? 1, said: oneLine(said) || `ended with ${signal ?? `exit code ${code}`}` });
    });
  });
}
