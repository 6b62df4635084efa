// Asks mounts that nobody here serves whether they are alive: statfs(2) answers ENOTCONN at once on a dead one and never on a stuck
// one. So it runs in a child of its own, which is killed at the deadline; a thread could not be.
import { spawn, type ChildProcess } from "node:child_process";
import type { Storage } from "../config/config.ts";

export type Health = "served" | "dead" | "stuck" | "unknown";

const DEADLINE_MS = 1_500;
const PROGRAM = `
const { statfs } = require("node:fs");
for (const path of process.argv.slice(1)) {
  statfs(path, (error) => process.stdout.write(JSON.stringify([path, error ? error.code : "OK"]) + "\\n"));
}`;

/** The health of each, after DEADLINE_MS at the latest; "stuck": it did not answer by then. */
export async function probeMounts(mountpoints: readonly string[]): Promise<Map<string, Health>> {
  const health = new Map<string, Health>(mountpoints.map((mountpoint) => [mountpoint, "stuck"]));
  if (mountpoints.length === 0) return health;
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(Math.min(mountpoints.length, 128)) };
  // Without a descriptor left it has no stdout, and an error to tell.
  const child: ChildProcess = spawn(process.execPath, ["-e", PROGRAM, "--", ...mountpoints], { stdio: ["ignore", "pipe", "ignore"], env });
  let text = "";
  child.stdout?.setEncoding("utf8");
  child.stdout?.on("data", (chunk: string) => {
    text += chunk;
    if (text.split("\n").length > mountpoints.length) child.kill("SIGKILL");
  });
  // A child that waits in the kernel for a mount may not even be killed; it ends when the mount does.
  let timer: NodeJS.Timeout | undefined;
  await new Promise((resolve) => {
    timer = setTimeout(resolve, DEADLINE_MS);
    child.on("exit", resolve).on("error", resolve);
  });
  clearTimeout(timer);
  child.kill("SIGKILL");
  child.stdout?.destroy();
  child.unref();
  for (const line of text.split("\n").filter((each) => each.endsWith("]"))) {
    const [path, code] = JSON.parse(line) as [string, string];
    health.set(path, healthOf(code));
  }
  return health;
}

/** Those of `storages`, by path, that do not answer: whoever looks into them waits. */
export async function silentAmong(storages: readonly Pick<Storage, "persistentStoragePath">[]): Promise<string[]> {
  const paths = storages.map(({ persistentStoragePath }) => persistentStoragePath);
  return [...(await probeMounts(paths))].filter(([, health]) => health === "stuck").map(([path]) => path);
}

function healthOf(code: string): Health {
  // Root is refused (EACCES) by a dead mount without allow_other, its owner gets ENOTCONN, and ECONNABORTED after an abort.
  if (code === "ENOTCONN" || code === "ECONNABORTED") return "dead";
  return code === "OK" ? "served" : "unknown";
}
