// What cases use: system calls that node:fs lacks or rounds (nanoseconds, rename flags, names that are bytes), and small programs in
// processes of their own.
import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, MAP_SHARED, PROT_READ, PROT_WRITE } from "../../src/sys/constants.ts";
import { call, raw } from "../../src/sys/call.ts";
import { ERRNO, SysError, type ErrnoName } from "../../src/sys/errno.ts";
import { libc, viewOf } from "../../src/sys/libc.ts";
import { cstr, type CName } from "../../src/sys/name.ts";

/** A fact about a directory: true on any Linux filesystem, given only the directory's path. It is the working directory, too. */
export type Case = (directory: string) => void | Promise<void>;
export type Cases = Readonly<Record<string, Case>>;

/** Thrown by a case that says nothing here; the reason is printed. */
export class NotHere extends Error {
  override readonly name = "NotHere";
}

export type Path = string | Buffer;
const c = (path: Path): CName => cstr(path);

/** Fails unless `run` fails with this errno. */
export function fails(errno: ErrnoName, run: () => unknown): void {
  try {
    run();
  } catch (error) {
    // Two names may be one number: ENOTSUP is EOPNOTSUPP.
    const { code } = error as { code?: ErrnoName };
    if (code === undefined || ERRNO[code] !== ERRNO[errno]) assert.equal(code, errno, String(error));
    return;
  }
  assert.fail(`no ${errno}`);
}

export const openAt = (path: Path, flags: number, mode = 0o644): number =>
  call("open", String(path), libc.openat, AT_FDCWD, c(path), flags, mode);
export const rename2 = (from: Path, to: Path, flags: number): void =>
  void call("renameat2", `${String(from)} ${String(to)}`, libc.renameat2, AT_FDCWD, c(from), AT_FDCWD, c(to), flags);
export const fallocate = (fd: number, mode: number, offset: number, length: number): void =>
  void call("fallocate", `mode ${mode}`, libc.fallocate, fd, mode, offset, length);
export const lseek = (fd: number, offset: number, whence: number): number =>
  call("lseek", `${offset} ${whence}`, libc.lseek, fd, offset, whence);

/** A time for utimensat: nanoseconds since 1970, or UTIME_NOW/UTIME_OMIT. */
export type Time = bigint | { readonly special: number };

function timespecs(atime: Time, mtime: Time): Buffer {
  const times = Buffer.alloc(32);
  [atime, mtime].forEach((time, index) => {
    if (typeof time === "bigint") {
      const nanoseconds = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
      times.writeBigInt64LE((time - nanoseconds) / 1_000_000_000n, index * 16);
      times.writeBigInt64LE(nanoseconds, index * 16 + 8);
    } else {
      times.writeBigInt64LE(BigInt(time.special), index * 16 + 8);
    }
  });
  return times;
}

/** utimensat(2), of the symlink itself when `path` is one. */
export const utimens = (path: Path, atime: Time, mtime: Time): void =>
  void call("utimensat", String(path), libc.utimensat, AT_FDCWD, c(path), timespecs(atime, mtime), AT_SYMLINK_NOFOLLOW);
/** futimens(3) */
export const futimens = (fd: number, atime: Time, mtime: Time): void =>
  void call("futimens", `fd ${fd}`, libc.futimens, fd, timespecs(atime, mtime));

export function setxattr(path: Path, name: string, value: Buffer, flags = 0): void {
  call("lsetxattr", name, libc.lsetxattr, c(path), cstr(name), value, value.length, flags);
}

export function getxattr(path: Path, name: string, room = 65_536): Buffer {
  const value = Buffer.alloc(room);
  return value.subarray(0, call("lgetxattr", name, libc.lgetxattr, c(path), cstr(name), value, room));
}

/** How long the value is (lgetxattr with no room). */
export const xattrSize = (path: Path, name: string): number => call("lgetxattr", name, libc.lgetxattr, c(path), cstr(name), null, 0);

export function listxattr(path: Path): string[] {
  const list = Buffer.alloc(65_536);
  const length = call("llistxattr", String(path), libc.llistxattr, c(path), list, list.length);
  return list.subarray(0, length).toString("latin1").split("\0").slice(0, -1).sort();
}

export const removexattr = (path: Path, name: string): void => void call("lremovexattr", name, libc.lremovexattr, c(path), cstr(name));

const MAP_ANONYMOUS = 0x20;
const MAP_PRIVATE = 2;

function mapped(fd: number, length: number, flags: number): Buffer {
  const address = libc.mmap(null, length, PROT_READ | PROT_WRITE, flags, fd, 0);
  // MAP_FAILED is (void *)-1; errno is gone by now for a pointer result, so it is asked again through a call that gives a number.
  if (BigInt.asIntN(64, BigInt(address)) === -1n) throw new SysError("mmap", ERRNO.ENODEV, "or another reason");
  return Buffer.from(viewOf(address, length));
}

/** The first `length` bytes of an open file, mapped shared and writable. A page past its end is SIGBUS: keep clear of it. */
export const mmapShared = (fd: number, length: number): Buffer => mapped(fd, length, MAP_SHARED);
/** Page-aligned memory, as O_DIRECT wants it. */
export const alignedBuffer = (length: number): Buffer => mapped(-1, length, MAP_PRIVATE | MAP_ANONYMOUS);

export const pread = (fd: number, buffer: Uint8Array, offset: number): number =>
  call("pread", `fd ${fd}`, libc.pread, fd, buffer, buffer.length, offset);
export const pwrite = (fd: number, buffer: Uint8Array, offset: number): number =>
  call("pwrite", `fd ${fd}`, libc.pwrite, fd, buffer, buffer.length, offset);

/** The result of a call, or the negative errno, for what may be either. */
export const attempt = raw;

const PYTHON = "/usr/bin/python3";

/** Runs a Python program with the arguments and gives what it printed. A failure or a signal is an error with its stderr. */
export function python(directory: string, program: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(PYTHON, ["-c", program, ...args], { cwd: directory, timeout: 50_000, killSignal: "SIGKILL" }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim());
      else reject(new Error(`python: ${error.signal ?? error.code}: ${stderr.slice(-2000)}`));
    });
  });
}

/** A running Python program that is talked to by lines. */
export interface Dialogue {
  readonly child: ChildProcess;
  /** The next line it prints. */
  readonly line: () => Promise<string>;
  readonly say: (text: string) => void;
  /** Closes its input and waits for its end; anything but exit code 0 is an error. */
  readonly end: () => Promise<void>;
}

export function dialogue(directory: string, program: string, ...args: string[]): Dialogue {
  const child = spawn(PYTHON, ["-u", "-c", program, ...args], { cwd: directory, stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit") as Promise<[number | null, string | null]>;
  const lines: string[] = [];
  let rest = "";
  let wake = (): void => {};
  child.stdout.on("data", (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
    wake();
  });
  child.stdout.on("end", () => wake());
  return {
    child,
    say: (text) => void child.stdin.write(`${text}\n`),
    line: async () => {
      while (lines.length === 0) {
        if (child.stdout.readableEnded) throw new Error("the program ended without a word");
        await new Promise<void>((resolve) => (wake = resolve));
      }
      return lines.shift() ?? "";
    },
    end: async () => {
      child.stdin.end();
      const [code, signal] = await exited;
      assert.equal(signal ?? code, 0);
    },
  };
}
