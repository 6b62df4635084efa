// Shell scripts as another user, with nothing of this process's environment that could change what they do.
import { execFile } from "node:child_process";

export interface ShellOptions {
  readonly uid: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

/** What it printed, without its last newline; a failure is an error with what it said. */
export function shell(script: string, { uid, env = {}, args = [] }: ShellOptions): Promise<string> {
  const options = {
    cwd: "/",
    uid,
    gid: uid,
    maxBuffer: 2 ** 26,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/nonexistent", LC_ALL: "C", TZ: "UTC", GIT_CONFIG_NOSYSTEM: "1", ...env },
  };
  return new Promise((resolve, reject) => {
    execFile("bash", ["-c", script, "workload", ...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.replace(/\n$/, ""));
      else reject(new Error(`${error.message.slice(0, 200)}\n${stdout.slice(-1000)}\n${stderr.slice(-2000)}`));
    });
  });
}
