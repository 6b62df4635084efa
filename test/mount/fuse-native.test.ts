// The fuse-native engine, served by a process of its own and looked at from here.
import { execFileSync, spawn, type ChildProcessByStdio } from "node:child_process";
import fs from "node:fs";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { probeFuseNative } from "../../src/fuse-native/probe.ts";
import { raw } from "../../src/sys/call.ts";
import { ERRNO } from "../../src/sys/errno.ts";
import { libc } from "../../src/sys/libc.ts";
import { readMountinfo, type MountInfo } from "../../src/sys/mountinfo.ts";
import { cstr } from "../../src/sys/name.ts";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { removeTree, tempDirectory } from "../helpers/temp.ts";

const SERVER = fileURLToPath(new URL("../fixtures/serve-native.mjs", import.meta.url));
const NOBODY = 65534;
const probe = await probeFuseNative();
if (!probe.available) process.stdout.write(`test/mount/fuse-native: skipped: ${probe.reason}\n`);
const runs = test.skipIf(!probe.available);

interface Message {
  readonly serving?: string;
  readonly ended?: string;
  readonly failed?: string;
  readonly reason?: string;
  readonly stats?: { readonly requests: number; readonly errors: number; readonly handles: number; readonly bytesWritten: number };
}

class Server {
  readonly messages: Message[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly exited: Promise<void>;
  #log = "";

  constructor(uid?: number) {
    const identity = uid === undefined ? {} : { uid, gid: uid };
    this.#child = spawn(process.execPath, [SERVER], { stdio: ["pipe", "pipe", "pipe"], ...identity });
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.messages.push(JSON.parse(line) as Message));
    this.#child.stderr.on("data", (chunk: Buffer) => (this.#log += chunk.toString()));
    this.exited = new Promise((resolve) => void this.#child.on("exit", () => resolve()));
  }

  say(message: object): void {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  heard(what: string, wanted: (message: Message) => boolean): Promise<Message> {
    const dump = (): string => `${JSON.stringify(this.messages)}\n${this.#log}\n${kernelStacks(this.#child.pid ?? 0)}`;
    return until(what, 20_000, () => this.messages.find(wanted), dump);
  }

  async serve(mountpoint: string, source: string, options: object = {}): Promise<Message> {
    this.say({ mountpoint, source, storage: source, cache: "shared", allowOther: false, trace: false, ...options });
    return this.heard(`serving ${mountpoint}`, (message) => message.serving === mountpoint || message.failed === mountpoint);
  }

  ended(mountpoint: string): Promise<Message> {
    return this.heard(`end of ${mountpoint}`, (message) => message.ended === mountpoint);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await deadline("death of the server", 10_000, this.exited);
  }
}

let base: string;
let servers: Server[];
const start = (uid?: number): Server => {
  const server = new Server(uid);
  servers.push(server);
  return server;
};
const directory = (name: string): string => {
  const path = join(base, name);
  fs.mkdirSync(path, { recursive: true });
  return path;
};
const mountsHere = (): MountInfo[] => readMountinfo().filter(({ mountpoint }) => mountpoint.startsWith(`${base}/`));
const umount = (path: string, ...options: string[]): void =>
  void execFileSync("umount", ["-i", "-c", ...options, path], { timeout: 20_000 });
const errnoOf = (call: () => unknown): string | undefined => {
  try {
    call();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
};

beforeEach(() => {
  base = tempDirectory("fuse-native");
  servers = [];
});

afterEach(async () => {
  // A dead server's mounts do not hang: the kernel fails every request on them.
  for (const server of servers) await server.kill();
  for (const { mountpoint } of mountsHere().reverse()) umount(mountpoint, "-l");
  removeTree(base);
});

runs("a file's life on the mount is its life in storage", async () => {
  const [s, m] = [directory("s"), directory("m")];
  expect(await start().serve(m, s)).toEqual({ serving: m });
  fs.mkdirSync(join(m, "d"), { mode: 0o750 });
  fs.writeFileSync(join(m, "d/a"), "hello", { mode: 0o640 });
  fs.appendFileSync(join(m, "d/a"), " world");
  fs.renameSync(join(m, "d/a"), join(m, "b ü"));
  fs.linkSync(join(m, "b ü"), join(m, "c"));
  fs.symlinkSync("nowhere/é", join(m, "l"));
  fs.chmodSync(join(m, "c"), 0o4711);
  fs.utimesSync(join(m, "c"), 1_000_000_000.25, 1_100_000_000.5);
  expect(fs.statSync(join(s, "c"))).toMatchObject({ mtimeMs: 1_100_000_000_500, atimeMs: 1_000_000_000_250 });
  expect(fs.readFileSync(join(s, "b ü"), "utf8")).toBe("hello world");
  expect(fs.readdirSync(m).sort()).toEqual(fs.readdirSync(s).sort());
  expect(fs.readlinkSync(join(m, "l"))).toBe("nowhere/é");
  for (const name of ["b ü", "d", "l"]) {
    const [here, there] = [fs.lstatSync(join(m, name)), fs.lstatSync(join(s, name))];
    for (const key of ["mode", "nlink", "uid", "gid", "size", "ino"] as const)
      expect(`${name} ${key} ${here[key]}`).toBe(`${name} ${key} ${there[key]}`);
    expect(Math.floor(here.mtimeMs)).toBe(Math.floor(there.mtimeMs));
  }
  fs.truncateSync(join(m, "c"), 3);
  const fd = fs.openSync(join(m, "c"), "r+");
  fs.unlinkSync(join(m, "c"));
  fs.ftruncateSync(fd, 2);
  fs.fsyncSync(fd);
  expect(fs.fstatSync(fd).size).toBe(2);
  fs.closeSync(fd);
  fs.rmSync(join(m, "d"), { recursive: true });
  expect(fs.readFileSync(join(s, "b ü"), "utf8")).toBe("he");
  expect(fs.statfsSync(m).blocks).toBe(fs.statfsSync(s).blocks);
  execFileSync("mkfifo", [join(m, "fifo")]);
  expect(fs.lstatSync(join(s, "fifo")).isFIFO()).toBe(true);
});

runs("large files, and a file in two processes at once", async () => {
  const [s, m] = [directory("s"), directory("m")];
  await start().serve(m, s);
  const data = Buffer.alloc(5_000_003, "0123456789abcdef");
  fs.writeFileSync(join(m, "big"), data);
  expect(fs.readFileSync(join(s, "big")).equals(data)).toBe(true);
  fs.writeFileSync(join(s, "other"), data);
  expect(fs.readFileSync(join(m, "other")).equals(data)).toBe(true);
  execFileSync("cmp", [join(m, "big"), join(m, "other")]);
});

runs("extended attributes keep to the caller's buffer", async () => {
  const [s, m] = [directory("s"), directory("m")];
  await start().serve(m, s);
  fs.writeFileSync(join(m, "f"), "");
  const [path, key] = [cstr(join(m, "f")), cstr("user.k")];
  const value = Buffer.from("some value");
  expect(raw(libc.lgetxattr, path, key, null, 0)).toBe(-ERRNO.ENODATA);
  expect(raw(libc.lsetxattr, path, key, value, value.length, 0)).toBe(0);
  expect(raw(libc.lgetxattr, path, key, null, 0)).toBe(value.length);
  expect(raw(libc.lgetxattr, path, key, Buffer.alloc(3), 3)).toBe(-ERRNO.ERANGE);
  const out = Buffer.alloc(64);
  expect(raw(libc.lgetxattr, path, key, out, 64)).toBe(value.length);
  expect(out.subarray(0, value.length)).toEqual(value);
  expect(raw(libc.llistxattr, path, null, 0)).toBe(7);
  expect(raw(libc.llistxattr, path, Buffer.alloc(2), 2)).toBe(-ERRNO.ERANGE);
  expect(raw(libc.llistxattr, path, out, 64)).toBe(7);
  expect(raw(libc.lremovexattr, path, key)).toBe(0);
  expect(raw(libc.lgetxattr, cstr(join(s, "f")), key, null, 0)).toBe(-ERRNO.ENODATA);
});

runs("the storage's errors are the mount's errors, and nothing breaks", async () => {
  const [s, m] = [directory("s"), directory("m")];
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", s]);
  const server = start();
  await server.serve(m, s);
  fs.mkdirSync(join(m, "d"));
  fs.writeFileSync(join(m, "d/f"), "");
  expect(errnoOf(() => fs.rmdirSync(join(m, "d")))).toBe("ENOTEMPTY");
  expect(errnoOf(() => fs.mkdirSync(join(m, "d")))).toBe("EEXIST");
  expect(errnoOf(() => fs.readFileSync(join(m, "x")))).toBe("ENOENT");
  expect(errnoOf(() => fs.readdirSync(join(m, "d/f")))).toBe("ENOTDIR");
  expect(errnoOf(() => fs.writeFileSync(join(m, "n".repeat(256)), ""))).toBe("ENAMETOOLONG");
  expect(errnoOf(() => fs.writeFileSync(join(m, "full"), Buffer.alloc(2_000_000)))).toBe("ENOSPC");
  expect(errnoOf(() => fs.renameSync(join(m, "d"), join(m, "d/inside")))).toBe("EINVAL");
  fs.rmSync(join(s, "d"), { recursive: true });
  await until("the mount to see what storage lost", 10_000, () => errnoOf(() => fs.statSync(join(m, "d/f"))) === "ENOENT");
  fs.writeFileSync(join(m, "full"), "again");
  // The kernel releases a file some time after its last close.
  const { stats } = await until("all handles to be released", 10_000, () => {
    server.say({ stats: m });
    return server.messages.findLast((message) => message.stats?.handles === 0);
  });
  expect(stats?.errors).toBeGreaterThan(3);
});

runs("names with everything in them reach the mount table unharmed", async () => {
  for (const name of ["a b", "a,b", "a\\b", "ü€", "a\\,"]) {
    const [s, m] = [directory(`s ${name}`), directory(`m ${name}`)];
    expect(await start().serve(m, s)).toEqual({ serving: m });
    const [mount] = mountsHere().filter(({ mountpoint }) => mountpoint === m);
    expect(mount).toMatchObject({ source: s, type: "fuse.hmpersist", options: expect.arrayContaining(["nosuid", "nodev"]) });
    expect(mount?.superOptions).toContain("default_permissions");
  }
});

runs("one process serves 22 mounts and tells of each one's end", async () => {
  const server = start();
  const all = Array.from({ length: 22 }, (_, index) => [directory(`s${index}`), directory(`m${index}`)] as const);
  await Promise.all(all.map(([s, m]) => server.serve(m, s)));
  for (const [, m] of all) fs.writeFileSync(join(m, "f"), m);
  for (const [s, m] of all) expect(fs.readFileSync(join(s, "f"), "utf8")).toBe(m);
  for (const [, m] of all) umount(m);
  for (const [, m] of all) expect(await server.ended(m)).toEqual({ ended: m });
  const [s, m] = all[0] as readonly [string, string];
  server.messages.length = 0;
  expect(await server.serve(m, s)).toEqual({ serving: m });
});

runs("after a lazy unmount open files are served to their end", async () => {
  const [s, m] = [directory("s"), directory("m")];
  const server = start();
  await server.serve(m, s);
  const fd = fs.openSync(join(m, "f"), "w+");
  umount(m, "-l");
  fs.writeSync(fd, "late");
  expect(fs.readFileSync(join(s, "f"), "utf8")).toBe("late");
  expect(server.messages.some(({ ended }) => ended === m)).toBe(false);
  fs.closeSync(fd);
  expect(await server.ended(m)).toEqual({ ended: m });
});

runs("a killed server leaves ENOTCONN, not a hang", async () => {
  const [s, m] = [directory("s"), directory("m")];
  const server = start();
  await server.serve(m, s);
  await server.kill();
  expect(errnoOf(() => fs.readdirSync(m))).toBe("ENOTCONN");
});

runs("a mount inside of one that the same process serves is refused, since it would wait for itself", async () => {
  const [s, m] = [directory("s"), directory("m")];
  const server = start();
  await server.serve(m, s);
  fs.mkdirSync(join(m, "inner"));
  expect(await server.serve(join(m, "inner"), directory("s2"))).toMatchObject({
    failed: join(m, "inner"),
    reason: expect.stringContaining("cannot mount inside of"),
  });
});

runs("what cannot be mounted is an error, and the process serves on", async () => {
  const server = start();
  expect(await server.serve(join(base, "none"), directory("s"))).toMatchObject({ failed: join(base, "none") });
  expect(await server.serve(directory("m"), join(base, "nosource"))).toMatchObject({ reason: expect.stringContaining("ENOENT") });
  expect(await server.serve(directory("m2"), directory("s"))).toMatchObject({ serving: join(base, "m2") });
});

runs("an ordinary user mounts through fusermount, over a directory that is not empty", async () => {
  const [s, m] = [directory("s"), directory("m")];
  fs.writeFileSync(join(m, "hidden"), "");
  for (const path of [s, m]) fs.chownSync(path, NOBODY, NOBODY);
  fs.chmodSync("/dev/fuse", 0o666);
  const server = start(NOBODY);
  expect(await server.serve(m, s)).toEqual({ serving: m });
  const as = (command: string): string =>
    execFileSync("sh", ["-c", command], { uid: NOBODY, gid: NOBODY, encoding: "utf8", timeout: 20_000 });
  as(`echo mine > ${m}/f && mkdir ${m}/d`);
  expect(as(`cat ${m}/f; ls -A ${m}`)).toBe("mine\nd\nf\n");
  expect(fs.statSync(join(s, "f")).uid).toBe(NOBODY);
  expect(errnoOf(() => fs.readdirSync(m))).toBe("EACCES");
  expect(mountsHere()[0]).toMatchObject({ mountpoint: m, source: s, superOptions: expect.arrayContaining([`user_id=${NOBODY}`]) });
  execFileSync("fusermount3", ["-u", m], { uid: NOBODY, gid: NOBODY, timeout: 20_000 });
  expect(await server.ended(m)).toEqual({ ended: m });
});
