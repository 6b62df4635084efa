// One daemon per user: an flock on a file in the runtime directory. The kernel drops it with the process, so it is never stale.
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { OWN_RUNTIME } from "../config/locations.ts";
import { AT_FDCWD, LOCK_EX, LOCK_NB, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDWR } from "../sys/constants.ts";
import { raw } from "../sys/call.ts";
import { monotonicMs } from "../sys/clock.ts";
import { errnoName, SysError } from "../sys/errno.ts";
import { chmodFd } from "../sys/fd-path.ts";
import { close, ftruncate, openat, pread } from "../sys/file.ts";
import { libc } from "../sys/libc.ts";
import { cstr } from "../sys/name.ts";
import { statFd } from "../sys/stat.ts";
import { HmpersistError } from "../errors.ts";

/** Makes the runtime directory: 0700, ours, and no link that somebody put there for us to follow (it may lie in /tmp). */
export function makePrivateDirectory(path: string): void {
  let fd = -1;
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    fd = openat(AT_FDCWD, cstr(path), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const { uid, mode } = statFd(fd);
    if (uid !== process.getuid?.()) throw new HmpersistError("HMP_ENVIRONMENT", `${path} belongs to uid ${uid}`, OWN_RUNTIME);
    if ((mode & 0o077) !== 0) chmodFd(fd, 0o700);
  } catch (error) {
    if (error instanceof HmpersistError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new HmpersistError("HMP_ENVIRONMENT", `cannot make ${path} a private directory: ${code}`, OWN_RUNTIME, { cause: error });
  } finally {
    if (fd >= 0) close(fd);
  }
}

/** sun_path of unix(7) without its NUL; node cuts off what is beyond. */
const MAX_SOCKET_PATH = 107;

/** Refuses a runtime directory whose sockets would have too long a path. */
export function checkSocketPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length <= MAX_SOCKET_PATH) return;
  const message = `${path} has ${length} bytes, and a socket's path at most ${MAX_SOCKET_PATH}`;
  throw new HmpersistError("HMP_ENVIRONMENT", message, "set XDG_RUNTIME_DIR to a directory with a shorter path");
}

/**
 * Takes the lock for as long as this process lives, unless it is released before.
 * @throws HmpersistError HMP_DAEMON_RUNNING, naming the pid that holds it.
 */
export function takeInstanceLock(path: string): () => void {
  makePrivateDirectory(dirname(path));
  const fd = openLock(path);
  const result = raw(libc.flock, fd, LOCK_EX | LOCK_NB);
  if (result < 0) {
    const pid = holderIn(fd) ?? "unknown";
    close(fd);
    if (errnoName(-result) !== "EAGAIN") throw new HmpersistError("HMP_ENVIRONMENT", `cannot lock ${path}: ${errnoName(-result)}`);
    throw new HmpersistError(
      "HMP_DAEMON_RUNNING",
      `a daemon is running already (pid ${pid})`,
      "'hmpersist apply' makes it follow a changed configuration; 'hmpersist unmount' ends it",
    );
  }
  ftruncate(fd, 0);
  const pid = Buffer.from(`${process.pid}\n`);
  // Without room for it the lock is as good; only its holder has no name.
  raw(libc.pwrite, fd, pid, pid.length, 0);
  return () => close(fd);
}

function openLock(path: string): number {
  try {
    return openat(AT_FDCWD, cstr(path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    throw new HmpersistError("HMP_ENVIRONMENT", `cannot make ${path}: ${error.code}`, HINTS[error.code], { cause: error });
  }
}

const HINTS: Record<string, string> = {
  ENOSPC: "make room on the file system of the runtime directory",
  EDQUOT: "make room on the file system of the runtime directory (quota)",
};

function holderIn(fd: number): number | undefined {
  const buffer = Buffer.alloc(16);
  const pid = Number(buffer.toString("latin1", 0, pread(fd, buffer, 16, 0)).trim());
  return pid > 0 ? pid : undefined;
}

/** The daemon that holds the lock at `path`, as far as it could leave its name there. */
export function lockHolder(path: string): number | undefined {
  const fd = raw(libc.openat, AT_FDCWD, cstr(path), O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
  if (fd < 0) return undefined;
  try {
    return raw(libc.flock, fd, LOCK_EX | LOCK_NB) < 0 ? holderIn(fd) : undefined;
  } finally {
    close(fd);
  }
}

/** Waits until no daemon holds the lock, so that the next one can be started; false if one still does after `ms`. */
export async function instanceEnded(path: string, ms: number): Promise<boolean> {
  const end = monotonicMs() + ms;
  const fd = openat(AT_FDCWD, cstr(path), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  try {
    while (raw(libc.flock, fd, LOCK_EX | LOCK_NB) < 0) {
      if (monotonicMs() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return true;
  } finally {
    close(fd);
  }
}
