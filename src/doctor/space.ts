// The two sides: a home that forgets, a storage that does not, and room on both.
import { accessSync, constants, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { isBelow } from "../config/place.ts";
import { formatBytes } from "../format.ts";
import { filesystemOf, VOLATILE } from "../mount/filesystem.ts";
import type { MountInfo } from "../sys/mountinfo.ts";
import { word } from "../shell.ts";
import { within } from "../within.ts";
import { about, type Check, type Finding, type Machine } from "./check.ts";

const FULL = 0.9;
const LITTLE = 512 * 1024 * 1024;
const ANSWER_MS = 1500;

interface Room {
  readonly size: number;
  readonly free: number;
  readonly used: number;
  /** Of the files it may hold; 0 where it does not count. */
  readonly inodes: number;
}

// A network file system may never answer.
async function roomOf(path: string): Promise<Room | undefined> {
  const answer = await within(statfs(path), ANSWER_MS, undefined);
  if (answer === undefined) return undefined;
  const { blocks, bavail, bfree, bsize, files, ffree } = answer;
  const taken = blocks - bfree;
  return {
    size: blocks * bsize,
    free: bavail * bsize,
    used: taken + bavail === 0 ? 0 : taken / (taken + bavail),
    inodes: files === 0 ? 0 : (files - ffree) / files,
  };
}

export const home: Check = async ({ home, mounts }) => {
  const { ok, warning, problem } = about("home");
  const mount = filesystemOf(home, mounts);
  const type = mount?.type ?? "unknown";
  const room = await roomOf(home).catch((error: NodeJS.ErrnoException) => error);
  if (room === undefined) return [problem(`${home} does not answer`)];
  if (room instanceof Error) return [problem(`${home}: ${room.code ?? room.message}`, "check `home` in the configuration, or $HOME")];
  const findings: Finding[] = [];
  if (VOLATILE.has(type)) findings.push(ok(`is on a ${type} at ${mount?.mountpoint}`));
  else
    findings.push(
      warning(
        `is on ${type}, which survives a reboot; nothing here needs hmpersist`,
        `put it on tmpfs, e.g. in /etc/fstab: tmpfs ${home} tmpfs mode=0700,uid=...,size=2g 0 0`,
      ),
    );
  const percent = `${Math.round(room.used * 100)} %`;
  if (room.size === 0) findings.push(ok("has no size limit"));
  else if (room.used > FULL || room.inodes > FULL) {
    const what =
      room.used > FULL ? `${percent} full, ${formatBytes(room.free)} left` : `${Math.round(room.inodes * 100)} % of its inodes are taken`;
    findings.push(problem(`is ${what}`, "persist what is large (hmpersist ephemeral), or give the tmpfs a larger size="));
  } else findings.push(ok(`is ${percent} full, ${formatBytes(room.free)} left`));
  return findings;
};

export const storage: Check = async (machine) => {
  const { skipped } = about("storage");
  const storages = machine.config?.storages ?? [];
  if (storages.length === 0) return [skipped("the configuration names none")];
  const found = await Promise.all(
    storages.map(async ({ persistentStoragePath: path }) =>
      machine.silent.includes(path) ? doesNotAnswer(path, machine) : oneStorage(path, machine.home, machine.mounts),
    ),
  );
  return found.flat();
};

const doesNotAnswer = (path: string, { mounts }: Machine): Finding[] => [
  about("storage").problem(`${path} does not answer`, `check the file system at ${filesystemOf(path, mounts)?.mountpoint ?? "/"}`),
];

async function oneStorage(path: string, home: string, mounts: readonly MountInfo[]): Promise<Finding[]> {
  const { ok, warning, problem } = about("storage");
  const mount = filesystemOf(path, mounts);
  const type = mount?.type ?? "unknown";
  const room = await roomOf(path).catch((error: NodeJS.ErrnoException) => error);
  if (room === undefined) return [problem(`${path} does not answer`)];
  if (room instanceof Error) {
    const fix =
      room.code === "ENOENT"
        ? `make it on a disk: mkdir -p ${word(path)}; or mount that disk before you log in`
        : "correct its permissions";
    return [problem(`${path}: ${room.code ?? room.message}`, fix)];
  }
  if (!statSync(path).isDirectory()) return [problem(`${path} is not a directory`, "name a directory on a disk")];
  const findings: Finding[] = [];
  if (VOLATILE.has(type))
    findings.push(problem(`${path} is on a ${type}: what is kept there is lost at reboot as well`, "name a directory on a disk"));
  else if (isBelow(path, home) && mount !== undefined && !isBelow(mount.mountpoint, home)) {
    findings.push(warning(`${path} lies in the home it is to outlive`, "name a directory outside of the home"));
  }
  if (mount?.options.includes("ro") === true)
    findings.push(problem(`${path} is mounted read-only`, `as root: mount -o remount,rw ${word(mount.mountpoint)}`));
  else if (!mayWrite(path))
    findings.push(warning(`you may not create anything in ${path}`, `as root: chown ${process.getuid?.() ?? "you"} ${word(path)}`));
  if (room.size > 0 && (room.free < LITTLE || room.inodes > FULL)) {
    findings.push(
      warning(
        `${path}: ${formatBytes(room.free)} left${room.inodes > FULL ? `, ${Math.round(room.inodes * 100)} % of inodes taken` : ""}`,
        "make room: hmpersist orphans shows what nobody uses",
      ),
    );
  }
  return findings.length > 0 ? findings : [ok(`${path} is on ${type}, ${formatBytes(room.free)} left`)];
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
