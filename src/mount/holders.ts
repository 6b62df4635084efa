// Who keeps a mount busy: processes with an open file, a working directory, a root, an executable or a mapping below it. Only link
// texts under /proc are read, never the files they name, so a stuck mount cannot hold us up. Other users' processes stay unseen.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface Holder {
  readonly pid: number;
  readonly command: string;
  /** The first path found below the mount. */
  readonly path: string;
}

/** Those this user may see, also of what is mounted below `mountpoint`. */
export function findHolders(mountpoint: string): Holder[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    const path = firstBelow(pid, mountpoint);
    return path === undefined ? [] : [{ pid: Number(pid), command: read(`/proc/${pid}/comm`).trim(), path }];
  });
}

function firstBelow(pid: string, mountpoint: string): string | undefined {
  const base = `/proc/${pid}`;
  const links = [`${base}/cwd`, `${base}/root`, `${base}/exe`, ...list(`${base}/fd`).map((fd) => `${base}/fd/${fd}`)];
  const texts = links.map(readLink);
  const mapped = read(`${base}/maps`)
    .split("\n")
    .map((line) => line.slice(line.indexOf("/")));
  return [...texts, ...mapped].find((text) => text === mountpoint || text.startsWith(`${mountpoint}/`));
}

const quietly = <T>(fallback: T, get: () => T): T => {
  try {
    return get();
  } catch {
    // The process ended, or belongs to somebody else.
    return fallback;
  }
};
const list = (dir: string): string[] => quietly([], () => readdirSync(dir));
const readLink = (path: string): string => quietly("", () => readlinkSync(path));
const read = (path: string): string => quietly("", () => readFileSync(path, "utf8"));
