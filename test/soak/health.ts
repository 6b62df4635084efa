// What daemon and server hold, looked at from outside: descriptors by kind, memory, nodes and handles, children nobody waited for.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import type { StatusReport } from "../../src/daemon/status.ts";
import { O_ACCMODE } from "../../src/sys/constants.ts";
import type { Sandbox } from "../helpers/sandbox.ts";

export interface Descriptors {
  readonly fuse: number;
  readonly memory: number;
  /** On files and directories. */
  readonly files: readonly string[];
  /** Pipes, sockets, epoll, eventfd, inotify. */
  readonly other: number;
}

/** Proportional set size of a process in MiB: shared pages count once, divided among who shares them. */
export function pss(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0) / 1024;
}

/** Of which its own alone, not in a file or shared memory: heaps and stacks. */
export function anonymous(pid: number): number {
  return Number(/^Pss_Anon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0) / 1024;
}

/** What `look` says of each open descriptor of `pid`; those that are closed meanwhile are left out. */
function ofDescriptors(pid: number, look: (fd: string) => string[]): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return look(fd);
    } catch {
      return [];
    }
  });
}

export function descriptors(pid: number): Descriptors {
  const links = ofDescriptors(pid, (fd) => [readlinkSync(`/proc/${pid}/fd/${fd}`)]);
  const files = links.filter((link) => link.startsWith("/") && !link.startsWith("/dev/") && !link.startsWith("/memfd:"));
  const fuse = links.filter((link) => link === "/dev/fuse").length;
  const memory = links.filter((link) => link.startsWith("/memfd:")).length;
  return { fuse, memory, files, other: links.length - files.length - fuse - memory };
}

/** What of `pid` keeps the file system at `root` from being made read-only: paths open for writing, and such that are "(deleted)". */
export function writable(pid: number, root: string): string[] {
  return ofDescriptors(pid, (fd) => {
    const link = readlinkSync(`/proc/${pid}/fd/${fd}`);
    const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1"))?.[1] ?? "0", 8);
    return link.startsWith(`${root}/`) && (link.endsWith(" (deleted)") || (flags & O_ACCMODE) !== 0) ? [link] : [];
  });
}

/** Children that ended and that nobody waited for. */
export function zombies(parents: readonly number[]): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const [state, parent] = readFileSync(`/proc/${name}/stat`, "latin1")
        .replace(/^.*\) /, "")
        .split(" ");
      return state === "Z" && parents.includes(Number(parent)) ? [Number(name)] : [];
    } catch {
      return []; // it is gone altogether
    }
  });
}

/** Has the kernel forget what it knows of these mounts: a remount drops the dentries that nobody uses, and with them the inodes. */
export function forgetAll(sandbox: Sandbox): void {
  for (const { mountpoint } of sandbox.mounts()) execFileSync("mount", ["-i", "-o", "remount", mountpoint]);
}

export interface Counts {
  readonly nodes: number;
  readonly handles: number;
}

/** Of all mounts of the kernel engine. */
export function counts(report: StatusReport): Map<string, Counts> {
  return new Map(
    report.entries.flatMap((entry) => {
      const stats = entry.stats as (Counts & object) | undefined;
      return stats === undefined ? [] : [[entry.target, { nodes: stats.nodes, handles: stats.handles }] as const];
    }),
  );
}
