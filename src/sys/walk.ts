// Walks from the home or a storage down to a directory, one component at a time, each opened by O_NOFOLLOW from the one above: however
// names change meanwhile, no walk leaves the root it began in. The root itself may be reached through links (/home -> /var/home).
// (openat2(2) would do it in one call; it needs Linux 5.6, and a walk says which component is in the way.)
import { realpathSync } from "node:fs";
import { posix } from "node:path";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, S_ISGID } from "./constants.ts";
import { mkdirat, readlinkat } from "./dir.ts";
import { ERRNO, isErrno, SysError } from "./errno.ts";
import { chmodFd } from "./fd-path.ts";
import { close, fsync, openat } from "./file.ts";
import { cstr, type CName } from "./name.ts";
import { statAt, statFd, type Stat } from "./stat.ts";

/** What stands where a parent directory is needed is a link, or no directory. */
export class ParentError extends Error {
  override readonly name = "ParentError";
}

/** A name in an open directory; whoever asked for it closes `dir`. */
export interface Place {
  readonly dir: number;
  readonly name: CName;
  /** For messages only. */
  readonly path: string;
}

export interface WalkOptions {
  /** Missing directories are made with these permissions, whatever the umask; without it they are ENOENT. */
  readonly mode?: number;
  /** Make what was made survive a power cut. */
  readonly durable?: boolean;
}

/** Opens the directory `path`, which is `root` or lies below it. */
export function openDirectory(root: string, path: string, options: WalkOptions = {}): number {
  const relative = posix.relative(root, path);
  // A name may begin with two dots.
  if (relative === ".." || relative.startsWith("../")) throw new ParentError(`${path} is not below ${root}`);
  let at = root;
  let dir = openat(AT_FDCWD, cstr(root), O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (const part of relative === "" ? [] : relative.split("/")) {
    at = posix.join(at, part);
    const above = dir;
    try {
      dir = stepInto(above, cstr(part), at, options);
    } finally {
      close(above);
    }
  }
  return dir;
}

/** Likewise, but a link on the way is followed if it leads to something below `root`. */
export function openWithin(root: string, path: string): number {
  const [realRoot, real] = [realPath(root), realPath(path)];
  if (real !== realRoot && !real.startsWith(`${realRoot}/`)) throw new ParentError(`${path} leads out of ${root} (to ${real})`);
  // Nothing may have changed since: from here on links are none of it.
  return openDirectory(realRoot, real);
}

// Not node's own, which takes a link that is replaced meanwhile for an error.
function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch (error) {
    throw new SysError("realpath", -((error as NodeJS.ErrnoException).errno ?? -ERRNO.EIO), path);
  }
}

/** Opens the directory that holds `path`, for work on that one name. */
export function openPlace(root: string, path: string, options: WalkOptions = {}): Place {
  return { dir: openDirectory(root, posix.dirname(path), options), name: cstr(posix.basename(path)), path };
}

/** What is at `place` now; undefined if nothing is. */
export const statPlace = (place: Place): Stat | undefined => statAt(place.dir, place.name);

const OPEN = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/** One step of a walk: opens the directory `name`. `path` is for messages. */
export function stepInto(dir: number, name: CName, path: string, options: WalkOptions): number {
  try {
    return enter(dir, name, path);
  } catch (error) {
    if (!isErrno(error, "ENOENT") || options.mode === undefined) throw error;
  }
  return make(dir, name, path, options.mode, options.durable === true);
}

function enter(dir: number, name: CName, path: string): number {
  try {
    return openat(dir, name, OPEN);
  } catch (error) {
    if (isErrno(error, "ENOTDIR", "ELOOP")) throw new ParentError(inTheWay(dir, name, path), { cause: error });
    throw error;
  }
}

function make(dir: number, name: CName, path: string, mode: number, durable: boolean): number {
  let made = true;
  try {
    mkdirat(dir, name, mode);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    made = false;
  }
  const fd = enter(dir, name, path);
  // The umask took bits away; a set-gid bit that came from the directory above is to stay.
  if (made) chmodFd(fd, mode | (statFd(fd).mode & S_ISGID));
  if (made && durable) syncDirectory(dir);
  return fd;
}

function inTheWay(dir: number, name: CName, path: string): string {
  const text = linkText(dir, name);
  return text === undefined ? `${path} is not a directory` : `${path} is a link (to ${text.toString()})`;
}

/** What a link says; undefined if no link stands there, or none any more: between a look and this call it may have been replaced. */
export function linkText(dir: number, name: CName): Buffer | undefined {
  try {
    return readlinkat(dir, name);
  } catch (error) {
    if (isErrno(error, "EINVAL", "ENOENT")) return undefined;
    throw error;
  }
}

/** fsync of a directory that is open by O_PATH only. Filesystems that cannot (EINVAL) need none. */
export function syncDirectory(dir: number): void {
  const fd = openat(dir, cstr("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  try {
    fsync(fd);
  } catch (error) {
    if (!(error instanceof SysError) || error.errno !== ERRNO.EINVAL) throw error;
  } finally {
    close(fd);
  }
}
