// Which processes have files open for writing, from /proc: for messages that name them, and where leases cannot tell.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { O_ACCMODE, O_RDONLY } from "../sys/constants.ts";
import { leaseStands, dropLease, takeReadLease } from "../sys/lease.ts";

export interface Writer {
  readonly pid: number;
  readonly command: string;
  readonly path: string;
}

/** Processes that have `path`, or anything below it, open for writing. Other users' processes are visible to root only. */
export function writersBelow(path: string): Writer[] {
  const writers: Writer[] = [];
  for (const pid of list("/proc")) {
    if (!/^[0-9]+$/.test(pid) || Number(pid) === process.pid) continue;
    for (const fd of list(`/proc/${pid}/fd`)) {
      const open = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
      if (open === undefined || (open !== path && !open.startsWith(`${path}/`))) continue;
      if (isWriting(pid, fd)) writers.push({ pid: Number(pid), command: command(pid), path: open });
    }
  }
  return writers;
}

/** Whether anybody has the file open for writing that is open, read-only, as `fd`. */
export function hasWriter(fd: number, path: string): boolean {
  const lease = takeReadLease(fd);
  if (lease === "unsupported") return writersBelow(path).length > 0;
  const stands = lease === "taken" && leaseStands(fd);
  dropLease(fd);
  return !stands;
}

function isWriting(pid: string, fd: string): boolean {
  const info = attempt(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"));
  const flags = /^flags:\s*([0-7]+)/m.exec(info ?? "")?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & O_ACCMODE) !== O_RDONLY;
}

const command = (pid: string): string => attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim()) ?? "?";
const list = (path: string): string[] => attempt(() => readdirSync(path)) ?? [];

// Processes end and hide while one looks.
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
