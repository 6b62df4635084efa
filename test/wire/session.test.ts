// Golden bytes and a whole session against a fake kernel: what is negotiated, what each kind of answer looks like, and that no bytes
// whatever make the server crash, read outside of them, or stay silent where an answer is due.
import { chmodSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OPS } from "../../src/fuse/abi/ops.ts";
import { SharedTables } from "../../src/fuse/passthrough/shared-tables.ts";
import { STEP } from "../../src/fuse/session.ts";
import { call } from "../../src/sys/call.ts";
import { MFD_CLOEXEC } from "../../src/sys/constants.ts";
import { close } from "../../src/sys/file.ts";
import { libc } from "../../src/sys/libc.ts";
import { mount, umount2 } from "../../src/sys/mount.ts";
import { cstr } from "../../src/sys/name.ts";
import { FakeKernel, fields, request } from "../helpers/fake-kernel.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";

const ENOENT = -2;
const EIO = -5;
const EINVAL = -22;
const EFBIG = -27;
const ENOTTY = -25;
const ENAMETOOLONG = -36;
const ENOSYS = -38;
const EPROTO = -71;
const ESTALE = -116;
/** Files of a directory that this process has open; of those without a name, the name they had. */
const openFiles = (directory: string): string[] =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    const path = attemptToReadLink(`/proc/self/fd/${fd}`);
    return path.startsWith(`${directory}/`) ? [path.replace(/ \(deleted\)$/, "")] : [];
  });
const attemptToReadLink = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // that of the listing itself
  }
};
const opcode = (name: string): number => OPS.find((op) => op.name === name)?.opcode ?? 0;

let source: string;
let kernel: FakeKernel;

beforeEach(() => {
  source = tempDirectory("wire", { base: SHM });
  writeFileSync(join(source, "file"), "hello", { mode: 0o640 });
  kernel = new FakeKernel(source);
});
afterEach(() => {
  kernel.close();
  removeTree(source);
});

test("INIT: the smaller minor version, one MiB, and no locks", () => {
  const { error, data } = kernel.init(50);
  expect([error, data.length]).toEqual([0, 64]);
  expect([data.readUInt32LE(0), data.readUInt32LE(4)]).toEqual([7, 45]);
  const flags = data.readUInt32LE(12);
  expect(flags & ((1 << 1) | (1 << 10))).toBe(0); // FUSE_POSIX_LOCKS, FUSE_FLOCK_LOCKS
  expect(flags & (1 << 16)).toBe(0); // FUSE_WRITEBACK_CACHE: not in "shared"
  expect(flags & (1 << 12)).not.toBe(0); // FUSE_AUTO_INVAL_DATA
  expect(data.readUInt32LE(20)).toBe(1 << 20);
  expect(data.readUInt16LE(28)).toBe(256);
  expect(kernel.features).toEqual([]);
});

test("INIT: nothing is taken that was not offered, and 7.31 is spoken", () => {
  const { data } = kernel.init(31, 1 << 13, 0);
  expect([data.readUInt32LE(4), data.readUInt32LE(12), data.readUInt32LE(32)]).toEqual([31, 1 << 13, 0]);
});

const ATOMIC_O_TRUNC = 1 << 3;
const WRITEBACK_CACHE = 1 << 16;
const NO_OPEN_SUPPORT = 1 << 17;

test.each([
  { offered: 0x7fffffff, taken: WRITEBACK_CACHE | NO_OPEN_SUPPORT, features: ["writeback", "no-open"] },
  { offered: 0x7fffffff & ~NO_OPEN_SUPPORT, taken: WRITEBACK_CACHE | ATOMIC_O_TRUNC, features: ["writeback"] },
])("INIT: $features in exclusive mode", ({ offered, taken, features }) => {
  const exclusive = new FakeKernel(source, { cache: "exclusive" });
  const flags = exclusive.init(45, offered).data.readUInt32LE(12);
  expect(flags & (ATOMIC_O_TRUNC | WRITEBACK_CACHE | NO_OPEN_SUPPORT)).toBe(taken);
  expect(exclusive.features).toEqual(features);
  exclusive.close();
});

test.skipIf(process.getuid?.() !== 0)("INIT: where another filesystem is mounted in the storage, files are opened by message", () => {
  const below = join(source, "below");
  mkdirSync(below);
  mount("none", below, "tmpfs", 0, "");
  try {
    const exclusive = new FakeKernel(source, { cache: "exclusive" });
    exclusive.init();
    expect(exclusive.features).toEqual(["writeback"]);
    exclusive.close();
  } finally {
    umount2(below, 0);
  }
});

test("without OPEN a request means its node, also when that has lost its name, and until it is forgotten", () => {
  const exclusive = new FakeKernel(source, { cache: "exclusive" });
  exclusive.init();
  const created = exclusive.ask(request(35, 1n, fields(0o102, 0o444, 0o022, 0, "new"))).data;
  const nodeid = created.readBigUInt64LE(0);
  expect([created.readBigUInt64LE(128), created.readUInt32LE(136)]).toEqual([0n, 1 << 1]); // fh, FOPEN_KEEP_CACHE
  const read = (): ReturnType<FakeKernel["ask"]> => exclusive.ask(request(15, nodeid, fields(0n, 0n, 100, 0, 0n, 0, 0)));
  const write = (text: string): number =>
    exclusive.ask(request(16, nodeid, fields(0n, 0n, text.length, 0, 0n, 0, 0, Buffer.from(text)))).error;
  expect(exclusive.ask(request(14, nodeid, fields(2, 0))).error).toBe(ENOSYS);
  expect([write("named"), read().data.toString()]).toEqual([0, "named"]);
  expect(readFileSync(join(source, "new"), "latin1")).toBe("named");
  expect(exclusive.ask(request(10, 1n, fields("new"))).error).toBe(0);
  expect(existsSync(join(source, "new"))).toBe(false);
  exclusive.ask(request(18, nodeid, fields(0n, 0, 0, 0n)));
  expect([write("gone!"), read().data.toString()]).toEqual([0, "gone!"]);
  exclusive.step(request(2, nodeid, fields(1n)));
  expect(read().error).toBe(ESTALE);
  expect(openFiles(source)).toEqual([]);
  exclusive.close();
});

test("a file is copied inside itself, also one that was only read before", () => {
  const exclusive = new FakeKernel(source, { cache: "exclusive" });
  exclusive.init();
  const nodeid = exclusive.ask(request(1, 1n, fields("file"))).data.readBigUInt64LE(0);
  expect(exclusive.ask(request(15, nodeid, fields(0n, 0n, 100, 0, 0n, 0, 0))).data.toString()).toBe("hello");
  expect(exclusive.ask(request(47, nodeid, fields(0n, 0n, nodeid, 0n, 5n, 5n, 0n)))).toMatchObject({ error: 0 });
  expect(readFileSync(join(source, "file"), "latin1")).toBe("hellohello");
  exclusive.close();
});

test("what is written is closed when nothing happens any more, and opened again when it does", () => {
  const exclusive = new FakeKernel(source, { cache: "exclusive" });
  exclusive.init();
  const nodeid = exclusive.ask(request(1, 1n, fields("file"))).data.readBigUInt64LE(0);
  const write = (): number => exclusive.ask(request(16, nodeid, fields(0n, 0n, 1, 0, 0n, 0, 0, Buffer.from("J")))).error;
  expect(write()).toBe(0);
  expect(openFiles(source)).toEqual([join(source, "file")]);
  exclusive.session.fs.files.closeWritable();
  expect(openFiles(source)).toEqual([]);
  expect(write()).toBe(0);
  exclusive.close();
});

test("a mode that was changed for a moment by a predecessor who died is what it was", () => {
  const memory = call("memfd_create", undefined, libc.memfd_create, cstr("tables"), MFD_CLOEXEC);
  const state = (resume: boolean): { fd: number; resume: boolean } => ({ fd: call("dup", undefined, libc.dup, memory), resume });
  const predecessor = new FakeKernel(source, { cache: "exclusive", state: state(false) });
  predecessor.init();
  const nodeid = predecessor.ask(request(1, 1n, fields("file"))).data.readUInt32LE(0);
  predecessor.close();
  const tables = new SharedTables(state(true));
  tables.noteMode(nodeid, 0o440);
  tables.close();
  const successor = new FakeKernel(source, { cache: "exclusive", state: state(true) });
  expect(statSync(join(source, "file")).mode & 0o7777).toBe(0o440);
  successor.close();
  close(memory);
});

test("INIT: a kernel before 7.31 is refused, one of a later major version told ours", () => {
  expect(kernel.init(23).error).toBe(EPROTO);
  const { error, data } = kernel.ask(request(26, 0n, fields(8, 3, 0, 0, 0, Buffer.alloc(44))));
  expect([error, data.readUInt32LE(0)]).toEqual([0, 7]);
});

test("LOOKUP answers fuse_entry_out", () => {
  kernel.init();
  const { error, data } = kernel.ask(request(1, 1n, fields("file")));
  const stat = statSync(join(source, "file"), { bigint: true });
  expect([error, data.length]).toEqual([0, 128]);
  expect(data.readBigUInt64LE(0)).toBe(2n); // nodeid
  expect(data.readBigUInt64LE(16)).toBe(1n); // entry_valid
  expect(data.readBigUInt64LE(40)).toBe(stat.ino); // attr.ino
  expect(data.readBigUInt64LE(48)).toBe(5n); // attr.size
  expect(data.readBigUInt64LE(72) * 1_000_000_000n + BigInt(data.readUInt32LE(92))).toBe(stat.mtimeNs); // mtime, mtimensec
  expect(data.readUInt32LE(100)).toBe(0o100640); // mode
  expect(data.readUInt32LE(108)).toBe(process.getuid?.()); // uid
});

test("LOOKUP of what is not there is a negative entry; of a bad name an errno", () => {
  kernel.init();
  const { error, data } = kernel.ask(request(1, 1n, fields("none")));
  expect([error, data.readBigUInt64LE(0), data.readBigUInt64LE(16)]).toEqual([0, 0n, 1n]);
  expect(kernel.ask(request(1, 1n, fields("a/b"))).error).toBe(EINVAL);
  expect(kernel.ask(request(1, 1n, fields(".."))).error).toBe(EINVAL);
  expect(kernel.ask(request(1, 1n, fields(""))).error).toBe(EINVAL);
  expect(kernel.ask(request(1, 1n, fields("n".repeat(256)))).error).toBe(ENAMETOOLONG);
  expect(kernel.ask(request(1, 99n, fields("file"))).error).toBe(ESTALE);
  expect(kernel.ask(request(1, 1n << 40n, fields("file"))).error).toBe(ESTALE);
  expect(kernel.ask(request(1, 1n, Buffer.from("no NUL"))).error).toBe(EIO);
});

test("a name that is not UTF-8 reaches the storage unchanged", () => {
  kernel.init();
  const name = Buffer.from([0x61, 0xff, 0x80, 0xc3]);
  expect(kernel.ask(request(9, 1n, fields(0o755, 0, name, Buffer.alloc(1)))).error).toBe(0);
  expect(existsSync(Buffer.concat([Buffer.from(`${source}/`), name]))).toBe(true);
});

test("CREATE, WRITE, READ, RELEASE", () => {
  kernel.init();
  const created = kernel.ask(request(35, 1n, fields(0o102, 0o644, 0o022, 0, "new"))).data;
  const nodeid = created.readBigUInt64LE(0);
  const fh = created.readBigUInt64LE(128);
  const payload = Buffer.from("payload");
  const written = kernel.ask(request(16, nodeid, fields(fh, 3n, payload.length, 0, 0n, 0, 0, payload)));
  expect([written.error, written.data.readUInt32LE(0)]).toEqual([0, 7]);
  expect(kernel.ask(request(15, nodeid, fields(fh, 0n, 100, 0, 0n, 0, 0))).data).toEqual(Buffer.from("\0\0\0payload"));
  expect(kernel.ask(request(18, nodeid, fields(fh, 0, 0, 0n))).error).toBe(0);
  expect(kernel.ask(request(15, nodeid, fields(fh, 0n, 100, 0, 0n, 0, 0))).error).toBe(EIO);
  expect(readFileSync(join(source, "new"), "latin1")).toBe("\0\0\0payload");
});

test("the content of a small file comes before the answer to its OPEN: once, and if the kernel knows of it", () => {
  const STORE = 4;
  kernel.init();
  const told = (): string[] => {
    const all = kernel.told.splice(0);
    expect(all.every(({ error, unique }) => error === STORE && unique === 0n)).toBe(true);
    return all.map(
      ({ data }) => `${data.readBigUInt64LE(0)} ${data.readBigUInt64LE(8)} ${data.readUInt32LE(16)} ${data.toString("latin1", 24)}`,
    );
  };
  const lookup = (name: string): bigint => kernel.ask(request(1, 1n, fields(name))).data.readBigUInt64LE(0);
  const open = (nodeid: bigint, flags = 0): bigint => kernel.ask(request(14, nodeid, fields(flags, 0))).data.readBigUInt64LE(0);
  const release = (nodeid: bigint, fh: bigint): void => void kernel.ask(request(18, nodeid, fields(fh, 0, 0, 0n)));

  const file = lookup("file");
  const writing = open(file, 1);
  open(file);
  expect(told()).toEqual([]); // what is open may be newer in the kernel
  release(file, writing);
  release(file, 2n);
  release(file, open(file));
  expect(told()).toEqual([`${file} 0 5 hello`]);
  release(file, open(file, 2));
  expect(told()).toEqual([]); // it has it

  writeFileSync(join(source, "file"), "AFTER!");
  release(file, open(file));
  expect(told()).toEqual([]); // it would drop it when it sees the new attributes
  kernel.ask(request(3, file, Buffer.alloc(16)));
  release(file, open(file, 2));
  expect(told()).toEqual([`${file} 0 6 AFTER!`]);

  writeFileSync(join(source, "large"), Buffer.alloc(33_000));
  writeFileSync(join(source, "empty"), "");
  for (const name of ["large", "empty"]) open(lookup(name));
  open(lookup("file"), 0o1000);
  expect(told()).toEqual([]);
});

test("a WRITE that claims more than it carries writes nothing", () => {
  kernel.init();
  const fh = kernel.ask(request(35, 1n, fields(2, 0o644, 0, 0, "new"))).data.readBigUInt64LE(128);
  expect(kernel.ask(request(16, 2n, fields(fh, 0n, 1_000_000, 0, 0n, 0, 0, Buffer.from("x")))).error).toBe(EIO);
  expect(statSync(join(source, "new")).size).toBe(0);
});

test("READDIRPLUS gives each entry once, with attributes", () => {
  mkdirSync(join(source, "sub"));
  chmodSync(join(source, "sub"), 0o755);
  kernel.init();
  const fh = kernel.ask(request(27, 1n, fields(0, 0))).data.readBigUInt64LE(0);
  const seen = new Map<string, number>();
  for (let offset = 0n; ;) {
    const { data } = kernel.ask(request(44, 1n, fields(fh, offset, 200, 0, 0n, 0, 0)));
    if (data.length === 0) break;
    for (let at = 0; at < data.length;) {
      const length = data.readUInt32LE(at + 128 + 16);
      seen.set(data.toString("latin1", at + 152, at + 152 + length), data.readUInt32LE(at + 100));
      offset = data.readBigUInt64LE(at + 128 + 8);
      at += (152 + length + 7) & ~7;
    }
  }
  expect([...seen].sort(([a], [b]) => (a < b ? -1 : 1))).toEqual([
    [".", 0],
    ["..", 0],
    ["file", 0o100640],
    ["sub", 0o040755],
  ]);
});

test.each([28, 44])("two directories listed by turns, piece by piece, are both told right (opcode %i)", (opcodeOf) => {
  const names = (name: string): string[] => Array.from({ length: 40 }, (_, n) => `${name.repeat(1 + (n % 30))}-${n}`);
  const directories = ["a", "b"].map((name) => ({ name, seen: [] as string[], offset: 0n, done: false }));
  for (const { name } of directories) {
    mkdirSync(join(source, name));
    for (const file of names(name)) writeFileSync(join(source, name, file), "");
  }
  kernel.init();
  const open = directories.map((directory) => {
    const nodeid = kernel.ask(request(1, 1n, fields(directory.name))).data.readBigUInt64LE(0);
    return { directory, nodeid, fh: kernel.ask(request(27, nodeid, fields(0, 0))).data.readBigUInt64LE(0) };
  });
  const before = opcodeOf === 44 ? 128 : 0;
  while (directories.some(({ done }) => !done)) {
    for (const { directory, nodeid, fh } of open) {
      const { data } = kernel.ask(request(opcodeOf, nodeid, fields(fh, directory.offset, 700, 0, 0n, 0, 0)));
      directory.done = data.length === 0;
      for (let at = 0; at < data.length;) {
        const length = data.readUInt32LE(at + before + 16);
        directory.seen.push(data.toString("latin1", at + before + 24, at + before + 24 + length));
        directory.offset = data.readBigUInt64LE(at + before + 8);
        at += (before + 24 + length + 7) & ~7;
      }
    }
  }
  for (const { name, seen } of directories) expect(seen.sort()).toEqual([".", "..", ...names(name)].sort());
});

test("FORGET, BATCH_FORGET and INTERRUPT have no reply", () => {
  kernel.init();
  kernel.ask(request(1, 1n, fields("file")));
  for (const bytes of [request(2, 2n, fields(1n)), request(42, 0n, fields(5, 0, 2n, 1n)), request(36, 0n, fields(4n))]) {
    expect(kernel.step(bytes)).toBe(STEP.handled);
    expect(kernel.reply()).toBeUndefined();
  }
  expect(kernel.session.fs.nodes.count).toBe(1);
});

test("times are written back in vain, without an error, to a file whose only known name is gone", () => {
  linkSync(join(source, "file"), join(source, "other"));
  const exclusive = new FakeKernel(source, { cache: "exclusive" });
  exclusive.init(45, 0x7fffffff & ~(1 << 17)); // without FUSE_NO_OPEN_SUPPORT, which would pin the file
  const nodeid = exclusive.ask(request(1, 1n, fields("file"))).data.readBigUInt64LE(0);
  expect(exclusive.ask(request(opcode("UNLINK"), 1n, fields("file"))).error).toBe(0);
  const setattr = (valid: number): number => exclusive.ask(request(4, nodeid, fields(valid, 0, Buffer.alloc(80)))).error;
  expect(setattr((1 << 5) | (1 << 10))).toBe(0); // FATTR_MTIME and FATTR_CTIME, and nothing else
  expect(setattr(1 << 0)).toBe(ESTALE); // FATTR_MODE
  expect(setattr(1 << 3)).toBe(ESTALE); // FATTR_SIZE
  exclusive.close();
});

test.each(["shared", "exclusive"] as const)("%s: a size beyond 2^53 is EFBIG, and not another size", (cache) => {
  const served = new FakeKernel(source, { cache });
  served.init();
  const nodeid = served.ask(request(1, 1n, fields("file"))).data.readBigUInt64LE(0);
  const resize = (size: bigint): number => served.ask(request(4, nodeid, fields(1 << 3, 0, 0n, size, Buffer.alloc(64)))).error;
  expect([resize(2n ** 53n - 1n), resize(2n ** 53n + 1n), resize(2n ** 60n + 5n)]).toEqual([0, EFBIG, EFBIG]);
  expect(statSync(join(source, "file"), { bigint: true }).size).toBe(2n ** 53n - 1n);
  served.close();
});

test("refused and unknown opcodes say so", () => {
  kernel.init();
  expect(kernel.ask(request(opcode("GETLK"), 1n, Buffer.alloc(48))).error).toBe(ENOSYS);
  expect(kernel.ask(request(opcode("IOCTL"), 1n, Buffer.alloc(32))).error).toBe(ENOTTY);
  expect(kernel.ask(request(4711, 1n)).error).toBe(ENOSYS);
});

test("an ioctl that is none of the file flags is ENOTTY, one without room for its answer EINVAL, one on no open file EIO", () => {
  kernel.init();
  const ioctl = (cmd: number, room: number): Buffer => request(opcode("IOCTL"), 1n, fields(99n, 0, cmd, 0n, 0, room));
  expect(kernel.ask(ioctl(0x5401, 60)).error).toBe(ENOTTY);
  expect(kernel.ask(ioctl(0x80086601, 3)).error).toBe(EINVAL);
  expect(kernel.ask(ioctl(0x40086602, 4)).error).toBe(EINVAL);
  expect(kernel.ask(ioctl(0x80086601, 4)).error).toBe(EIO);
});

test("a handler that throws costs that request only", () => {
  kernel.init();
  const { fs } = kernel.session;
  const statFd = fs.statFd.bind(fs);
  fs.statFd = () => {
    throw new Error("planted");
  };
  expect(kernel.ask(request(3, 1n, fields(0, 0, 0n))).error).toBe(EIO);
  expect(kernel.log.join()).toMatch(/GETATTR failed: Error: planted\n +at/);
  fs.statFd = statFd;
  expect(kernel.ask(request(3, 1n, fields(0, 0, 0n))).error).toBe(0);
});

test("a redelivered request that killed nobody is answered as often as it comes", () => {
  kernel.init();
  const bytes = request(3, 1n, fields(0, 0, 0n), (1n << 63n) | 12n);
  expect(kernel.ask(bytes).error).toBe(0);
  expect(kernel.ask(bytes).error).toBe(0);
});

test("trace prints one line for the request and one for the reply", () => {
  const traced = new FakeKernel(source, { trace: true });
  traced.init();
  traced.log.length = 0;
  traced.ask(request(1, 1n, fields("file"), 1234n));
  traced.ask(request(1, 1n, Buffer.from("x\x1b[31m\0"), 1236n));
  expect(traced.log[0]).toMatch(/^rx 1234: LOOKUP n1 "file" by \d+:\d+ pid \d+$/);
  expect(traced.log[1]).toBe("tx 1234: OK n2 g1");
  expect(traced.log[2]).toContain(String.raw`"x\x1b[31m"`);
  traced.close();
});

test("bytes that are no request end the session with a reason", () => {
  kernel.init();
  expect(kernel.step(Buffer.alloc(10))).toBe(STEP.ended);
  expect(kernel.session.failure).toMatch(/malformed request of 10 bytes/);
});

test.each(["shared", "exclusive"] as const)("fuzz, %s: requests of every opcode with any body are answered", (cache) => {
  kernel.close();
  kernel = new FakeKernel(source, { cache });
  kernel.init();
  const name = fc.oneof(fc.constantFrom("file", "..", ".", "a", "x/../../y", ""), fc.string({ maxLength: 300 }));
  const number = fc.oneof(fc.constantFrom(0n, 1n, 2n, 3n, (1n << 63n) - 1n, (1n << 64n) - 1n), fc.bigInt(0n, (1n << 64n) - 1n));
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.array(number, { maxLength: 10 }), fc.array(name, { maxLength: 2 })).map(([longs, names]) => fields(...longs, ...names)),
  );
  const nodeid = fc.oneof(fc.constantFrom(1n, 2n, 3n), number);
  // SYNCFS on tmpfs and INIT are fine too: everything but a request for gigabytes of a shared /dev/shm.
  const opcodes = OPS.map((op) => op.opcode).filter((op) => ![opcode("FALLOCATE"), opcode("WRITE")].includes(op));
  const check = (op: number, node: bigint, bytes: Uint8Array, extensions: number): void => {
    const message = request(op, node, bytes);
    message.writeUInt16LE(extensions & 0xffff, 36);
    expect(kernel.step(message)).toBe(STEP.handled);
    const row = OPS.find((each) => each.opcode === op);
    expect(kernel.reply() !== undefined).toBe(row?.reply !== false);
  };
  const extension = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
  fc.assert(fc.property(fc.constantFrom(...opcodes), nodeid, body, extension, check), { numRuns: 20_000, interruptAfterTimeLimit: 3000 });
  expect(kernel.ask(request(17, 1n)).error).toBe(0);
  expect([ENOENT, 0]).toContain(kernel.ask(request(10, 1n, fields("file"))).error);
});
