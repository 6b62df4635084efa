// Looks at what stands at a path, without following a link and without changing a thing. Blocks: for worker threads and short programs.
import { opendirSync } from "node:fs";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../sys/constants.ts";
import { SysError } from "../sys/errno.ts";
import { fdPath } from "../sys/fd-path.ts";
import { close, openat, openForReading, pread } from "../sys/file.ts";
import { cstr } from "../sys/name.ts";
import { isDirectory, isRegular, isSymlink, statAt, statFd } from "../sys/stat.ts";
import { printableBytes } from "../sys/text.ts";
import type { Found } from "../plan/types.ts";
import { nextData } from "./copy-data.ts";
import { linkText } from "../sys/walk.ts";

const NAMES_SHOWN = 5;
const CHUNK = 256 * 1024;

/** What stands at `path`. Never throws for what a filesystem may answer. */
export function lookAt(path: string): Found {
  try {
    const name = cstr(path);
    const stat = statAt(AT_FDCWD, name);
    if (stat === undefined) return { type: "missing" };
    if (isSymlink(stat)) {
      const text = linkText(AT_FDCWD, name);
      return text === undefined ? lookAt(path) : { type: "link", text: text.toString() };
    }
    if (isRegular(stat)) return { type: "file", size: stat.size };
    return isDirectory(stat) ? lookInto(path) : { type: "other" };
  } catch (error) {
    if (error instanceof SysError) return { type: "error", errno: error.code };
    throw error;
  }
}

function lookInto(path: string): Found {
  const fd = openat(AT_FDCWD, cstr(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  try {
    const names = firstNames(fd);
    return { type: "directory", empty: names.length === 0, names };
  } finally {
    close(fd);
  }
}

/** Up to a handful of names in an open directory; an empty list means an empty directory. */
export function firstNames(fd: number): string[] {
  const names: string[] = [];
  const directory = opendirSync(fdPath(fd), { encoding: "buffer" as BufferEncoding });
  try {
    while (names.length < NAMES_SHOWN) {
      const entry = directory.readSync();
      if (entry === null) break;
      names.push(printableBytes(entry.name as unknown as Buffer));
    }
  } finally {
    directory.closeSync();
  }
  return names.sort();
}

/** Whether two paths are regular files with the same bytes. False for anything else, and if either cannot be read. */
export function sameContent(a: string, b: string): boolean {
  const fds: number[] = [];
  try {
    for (const path of [a, b]) fds.push(openForReading(AT_FDCWD, cstr(path)));
    const [fdA, fdB] = fds;
    return fdA !== undefined && fdB !== undefined && sameBytes(fdA, fdB);
  } catch (error) {
    if (error instanceof SysError) return false;
    throw error;
  } finally {
    for (const fd of fds) close(fd);
  }
}

/**
 * Whether two open files are regular and hold the same bytes; holes are not read.
 * @param goOn asked before each piece; one that is not wanted any more is false
 */
export function sameBytes(a: number, b: number, goOn: () => boolean = () => true): boolean {
  const statA = statFd(a);
  const statB = statFd(b);
  if (!isRegular(statA) || !isRegular(statB) || statA.size !== statB.size) return false;
  const bufferA = Buffer.alloc(CHUNK);
  const bufferB = Buffer.alloc(CHUNK);
  for (let offset = 0; goOn();) {
    offset = Math.min(nextData(a, offset) ?? statA.size, nextData(b, offset) ?? statA.size);
    const lengthA = pread(a, bufferA, CHUNK, offset);
    const lengthB = pread(b, bufferB, CHUNK, offset);
    if (lengthA !== lengthB || bufferA.compare(bufferB, 0, lengthB, 0, lengthA) !== 0) return false;
    if (lengthA === 0) return true;
    offset += lengthA;
  }
  return false;
}
