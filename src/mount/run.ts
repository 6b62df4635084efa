// Runs fusermount3 as a child with a deadline: it is set-uid, it may hang on a stuck parent mount, and its one line on stderr is the
// only explanation of a refusal there is.
import { spawn, type StdioOptions } from "node:child_process";

export interface Ran {
  /** Exit code; 124 when the deadline passed and it was killed, 127 when it could not be started. */
  readonly code: number;
  /** What it said, without its program name and trailing newline. */
  readonly said: string;
}

const MAX_OUTPUT = 4096;

export function runFusermount(
  path: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; commFd?: number; timeoutMs?: number } = {},
): Promise<Ran> {
  const stdio: StdioOptions = options.commFd === undefined ? ["ignore", "ignore", "pipe"] : ["ignore", "ignore", "pipe", options.commFd];
  return new Promise((resolve) => {
    const child = spawn(path, args, { stdio, env: { ...process.env, LC_ALL: "C", ...options.env } });
    let said = "";
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, options.timeoutMs ?? 10_000);
    child.stderr?.setEncoding("utf8");
    child.stderr?.on("data", (chunk: string) => {
      if (said.length < MAX_OUTPUT) said += chunk.slice(0, MAX_OUTPUT);
    });
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: 127, said: error.message });
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      const text = said.trim().replace(/^fusermount3?: /, "");
      resolve(late ? { code: 124, said: "did not end in time" } : { code: code ?? 1, said: text });
    });
  });
}
