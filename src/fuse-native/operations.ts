// Path operations over node:fs, and over libc where node:fs has no such call. Asynchronous where node:fs is, so that a slow fsync does
// not keep the other mounts waiting. What libfuse 2 behind fuse-native cannot do stays undone here, too: times are milliseconds, names
// are UTF-8, a created file belongs to the server's user, and rename takes no flags.
import fs from "node:fs";
import { AT_FDCWD, O_ACCMODE, O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } from "../sys/constants.ts";
import { raw } from "../sys/call.ts";
import { ERRNO } from "../sys/errno.ts";
import { libc } from "../sys/libc.ts";
import { cstr, type CName } from "../sys/name.ts";
import type { Request } from "./binding.ts";

/** Ends a request: a result (or -errno) and what the operation gives besides. */
export type Done = (result: number, ...values: unknown[]) => void;

/** What a mount counts; engine.ts shows it. */
export interface Counters {
  handles: number;
  bytesRead: number;
  bytesWritten: number;
}

type Handler = (done: Done, request: Request, ...args: never[]) => void;

/** What the native half reads besides the result, for an answer that has none: it must be there even for an error. */
export const EMPTY: Readonly<Record<string, (args: readonly unknown[]) => unknown[]>> = {
  getattr: () => [new Uint32Array(18)],
  fgetattr: () => [new Uint32Array(18)],
  statfs: () => [new Uint32Array(11)],
  readlink: () => [""],
  readdir: () => [[], []],
  open: () => [0],
  create: () => [0],
  read: (args) => [0, (args[2] as Buffer).buffer],
  write: (args) => [0, (args[2] as Buffer).buffer],
  getxattr: (args) => [(args[2] as Buffer).buffer],
  setxattr: (args) => [(args[2] as Buffer).buffer],
  listxattr: (args) => [(args[1] as Buffer).buffer],
};

export interface OperationOptions {
  /** The backing directory, absolute. */
  readonly source: string;
  readonly counters: Counters;
}

/**
 * The operations by name. Not among them: flush (a close of the backing file reports nothing), access (default_permissions), opendir
 * and releasedir (a directory is read by its path); not to offer them spares their round trips.
 */
export function operations({ source, counters }: OperationOptions): Map<string, Handler> {
  const real = (path: string): string => (path === "/" ? source : source + path);
  const name = (path: string): CName => cstr(real(path));
  const opened =
    (done: Done) =>
    (error: NodeJS.ErrnoException | null, fd: number): void => {
      // Without values: on an error node gives no descriptor, and the addon takes nothing but a number.
      if (error !== null) return done(errnoOf(error));
      counters.handles += 1;
      done(0, fd);
    };
  return new Map(
    Object.entries({
      getattr: (done, _, path: string) => fs.lstat(real(path), attributes(done)),
      fgetattr: (done, _, path: string, fd: number) => (fd > 0 ? fs.fstat(fd, attributes(done)) : fs.lstat(real(path), attributes(done))),
      readdir: (done, _, path: string) =>
        fs.readdir(real(path), "buffer", (error, names) => done(errnoOf(error), error === null ? [".", "..", ...utf8(names)] : [], [])),
      open: (done, _, path: string, flags: number) => fs.open(real(path), (flags & (O_ACCMODE | O_APPEND)) | O_NOFOLLOW, opened(done)),
      // libfuse 2 does not pass the flags of a create on; what it opened for writing alone is never read, so more does no harm.
      create: (done, _, path: string, mode: number) => fs.open(real(path), O_RDWR | O_CREAT | O_NOFOLLOW, mode & 0o7777, opened(done)),
      release: (done, _, _path: string, fd: number) => {
        counters.handles -= 1;
        fs.close(fd, report(done));
      },
      read: (done, _, _path: string, fd: number, buffer: Buffer, length: number, low: number, high: number) =>
        fs.read(fd, buffer, 0, length, int64(low, high), (error, count) => {
          counters.bytesRead += count;
          done(error === null ? count : errnoOf(error), 0, buffer.buffer);
        }),
      write: (done, _, _path: string, fd: number, buffer: Buffer, length: number, low: number, high: number) =>
        fs.write(fd, buffer, 0, length, int64(low, high), (error, count) => {
          counters.bytesWritten += count;
          done(error === null ? count : errnoOf(error), 0, buffer.buffer);
        }),
      fsync: (done, _, _path: string, datasync: number, fd: number) => (datasync === 0 ? fs.fsync : fs.fdatasync)(fd, report(done)),
      fsyncdir: (done, _, path: string) => syncDirectory(real(path), done),
      truncate: (done, _, path: string, low: number, high: number) => fs.truncate(real(path), int64(low, high), report(done)),
      ftruncate: (done, _, _path: string, fd: number, low: number, high: number) => fs.ftruncate(fd, int64(low, high), report(done)),
      unlink: (done, _, path: string) => fs.unlink(real(path), report(done)),
      rmdir: (done, _, path: string) => fs.rmdir(real(path), report(done)),
      mkdir: (done, _, path: string, mode: number) => fs.mkdir(real(path), mode & 0o7777, report(done)),
      mknod: (done, _, path: string, mode: number, dev: number) => done(raw(libc.mknodat, AT_FDCWD, name(path), mode, dev)),
      rename: (done, _, from: string, to: string) => fs.rename(real(from), real(to), report(done)),
      link: (done, _, from: string, to: string) => fs.link(real(from), real(to), report(done)),
      symlink: (done, _, text: string, path: string) => fs.symlink(text, real(path), report(done)),
      readlink: (done, _, path: string) => fs.readlink(real(path), (error, text) => done(errnoOf(error), text ?? "")),
      chmod: (done, _, path: string, mode: number) => fs.chmod(real(path), mode & 0o7777, report(done)),
      chown: (done, _, path: string, uid: number, gid: number) => fs.lchown(real(path), uid, gid, report(done)),
      utimens: (done, request, path: string, low: number, high: number) => {
        const atime = int64(low, high);
        fs.lutimes(real(path), atime / 1000, mtimeOf(request, atime) / 1000, report(done));
      },
      statfs: (done, _, path: string) =>
        fs.statfs(real(path), (error, stats) => done(errnoOf(error), error === null ? statfsWords(stats) : new Uint32Array(11))),
      setxattr: (done, _, path: string, key: string, value: Buffer, _position: number, flags: number) =>
        done(raw(libc.lsetxattr, name(path), cstr(key), value, value.length, flags), value.buffer),
      getxattr: (done, _, path: string, key: string, value: Buffer) =>
        done(raw(libc.lgetxattr, name(path), cstr(key), value, value.length), value.buffer),
      listxattr: (done, _, path: string, list: Buffer) => done(raw(libc.llistxattr, name(path), list, list.length), list.buffer),
      removexattr: (done, _, path: string, key: string) => done(raw(libc.lremovexattr, name(path), cstr(key))),
    } satisfies Record<string, Handler>),
  );
}

const errnoOf = (error: NodeJS.ErrnoException | null): number => (error === null ? 0 : (error.errno ?? -ERRNO.EIO));

const report =
  (done: Done) =>
  (error: NodeJS.ErrnoException | null): void =>
    done(errnoOf(error));

const attributes =
  (done: Done) =>
  (error: NodeJS.ErrnoException | null, stat: fs.Stats): void =>
    done(errnoOf(error), error === null ? statWords(stat) : new Uint32Array(18));

const int64 = (low: number, high: number): number => low + high * 0x1_0000_0000;

// A name that is not UTF-8 cannot come through: listed in another spelling it would only be found missing.
const utf8 = (names: readonly Buffer[]): string[] =>
  names.flatMap((bytes) => {
    const text = bytes.toString("utf8");
    return Buffer.from(text, "utf8").equals(bytes) ? [text] : [];
  });

/** struct stat as populate_stat in fuse-native.c reads it; 64-bit numbers as two halves, times in milliseconds. */
function statWords(stat: fs.Stats): Uint32Array {
  const words = new Uint32Array(18);
  words.set([stat.mode, stat.uid, stat.gid]);
  setInt64(words, 3, stat.size);
  words.set([stat.dev, stat.nlink, stat.ino, stat.rdev, stat.blksize], 5);
  setInt64(words, 10, stat.blocks);
  setInt64(words, 12, Math.max(0, Math.floor(stat.atimeMs)));
  setInt64(words, 14, Math.max(0, Math.floor(stat.mtimeMs)));
  setInt64(words, 16, Math.max(0, Math.floor(stat.ctimeMs)));
  return words;
}

/** struct statvfs likewise. Counts are 32 bits wide there, so a large filesystem is told in larger blocks. */
function statfsWords({ bsize, blocks, bfree, bavail, files, ffree }: fs.StatsFs): Uint32Array {
  let scale = 1;
  while (blocks / scale > 0xffff_ffff) scale *= 2;
  const clip = (count: number): number => Math.min(count, 0xffff_ffff);
  return Uint32Array.of(
    bsize * scale,
    bsize * scale,
    blocks / scale,
    bfree / scale,
    bavail / scale,
    clip(files),
    clip(ffree),
    clip(ffree),
    0,
    0,
    255,
  );
}

function setInt64(words: Uint32Array, at: number, value: number): void {
  words[at] = value % 0x1_0000_0000;
  words[at + 1] = Math.floor(value / 0x1_0000_0000);
}

// fuse-native hands atime over twice (fuse-native.c:345), but its record of the request has both, in milliseconds, as `size_t atime,
// mtime` at 104 on 64-bit machines. Believed only while the first is the atime we were told.
function mtimeOf(request: Request, atime: number): number {
  const fits = request.length >= 120 && Number(request.readBigUInt64LE(104)) === atime;
  return fits ? Number(request.readBigUInt64LE(112)) : atime;
}

function syncDirectory(path: string, done: Done): void {
  fs.open(path, "r", (error, fd) => {
    if (error !== null) return done(errnoOf(error));
    fs.fsync(fd, (failed) => fs.close(fd, () => done(errnoOf(failed))));
  });
}
