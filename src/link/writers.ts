// Which processes have files open for writing, from /proc: for messages that name them, and where leases cannot tell.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { AT_FDCWD, O_ACCMODE, O_CLOEXEC, O_PATH, O_RDONLY } from "../sys/constants.ts";
import { close, openat } from "../sys/file.ts";
import { leaseStands, dropLease, takeReadLease } from "../sys/lease.ts";
import { cstr } from "../sys/name.ts";
import { statFd, type Stat } from "../sys/stat.ts";

export interface Writer {
  readonly pid: number;
  readonly command: string;
  readonly path: string;
}

interface Opened {
  readonly pid: string;
  readonly fd: string;
  readonly path: string;
}

/** Processes that have `path`, or anything below it, open for writing. Other users' processes are visible to root only. */
export function writersBelow(path: string): Writer[] {
  const writers: Writer[] = [];
  for (const opened of openFiles()) {
    if (opened.path !== path && !opened.path.startsWith(`${path}/`)) continue;
    if (isWriting(descriptorInfo(opened))) writers.push(writerOf(opened));
  }
  return writers;
}

/** What `writersOf` knows a file by. */
export const fileId = (stat: Stat): string => `${stat.dev}/${stat.ino}`;

/** By file: a process that has it open for writing, or mapped, under whatever path; bind mounts and other mount namespaces have their own. */
export function writersOf(files: ReadonlySet<string>): ReadonlyMap<string, Writer> {
  const writers = new Map<string, Writer>();
  const inodes = new Set([...files].map((file) => file.slice(file.indexOf("/") + 1)));
  for (const opened of openFiles()) {
    if (!opened.path.startsWith("/")) continue;
    const info = descriptorInfo(opened);
    // Most files are told apart without a call on them, which may be on a disk that hangs.
    if (!inodes.has(/^ino:\s*([0-9]+)/m.exec(info)?.[1] ?? "") || !isWriting(info)) continue;
    const file = attempt(() => idOf(opened));
    if (file !== undefined && files.has(file)) writers.set(file, writerOf(opened));
  }
  for (const pid of processes()) {
    for (const [, major = "", minor = "", inode = "", path = ""] of (
      attempt(() => readFileSync(`/proc/${pid}/maps`, "utf8")) ?? ""
    ).matchAll(SHARED)) {
      const file = `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}/${inode}`;
      if (files.has(file)) writers.set(file, writerOf({ pid, path }));
    }
  }
  return writers;
}

// A mapping that is writable and shared; proc_pid_maps(5).
const SHARED = /^\S+ .w.s \S+ ([0-9a-f]+):([0-9a-f]+) ([0-9]+) +(.*)$/gm;

/** Whether anybody has the file open for writing that is open, read-only, as `fd`. */
export function hasWriter(fd: number, path: string): boolean {
  const lease = takeReadLease(fd);
  if (lease === "unsupported") return writersBelow(path).length > 0;
  const stands = lease === "taken" && leaseStands(fd);
  dropLease(fd);
  return !stands;
}

const processes = (): string[] => list("/proc").filter((pid) => /^[0-9]+$/.test(pid) && Number(pid) !== process.pid);

function* openFiles(): Generator<Opened> {
  for (const pid of processes()) {
    for (const fd of list(`/proc/${pid}/fd`)) {
      const path = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
      if (path !== undefined) yield { pid, fd, path };
    }
  }
}

function idOf({ pid, fd }: Opened): string {
  const file = openat(AT_FDCWD, cstr(`/proc/${pid}/fd/${fd}`), O_PATH | O_CLOEXEC);
  try {
    return fileId(statFd(file));
  } finally {
    close(file);
  }
}

const descriptorInfo = ({ pid, fd }: Opened): string => attempt(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8")) ?? "";

function isWriting(info: string): boolean {
  const flags = /^flags:\s*([0-7]+)/m.exec(info)?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & O_ACCMODE) !== O_RDONLY;
}

const writerOf = ({ pid, path }: Pick<Opened, "pid" | "path">): Writer => ({
  pid: Number(pid),
  command: attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim()) ?? "?",
  path,
});

const list = (path: string): string[] => attempt(() => readdirSync(path)) ?? [];

// Processes end and hide while one looks.
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
