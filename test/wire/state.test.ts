// What a successor makes of memory that a predecessor, a bug or bad luck left: it goes on with what is sound and begins anew otherwise, and
// whatever the words are it neither fails nor touches anything outside of the storage.
import { ftruncateSync, mkdirSync, readdirSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OPS } from "../../src/fuse/abi/ops.ts";
import { HANDLES_AT, HEADER, LINKS_AT, MAX_NODES, NAMES_AT, NAMES_SIZE, NODES_AT } from "../../src/fuse/passthrough/table-layout.ts";
import { STEP } from "../../src/fuse/session.ts";
import { call, raw } from "../../src/sys/call.ts";
import { MFD_CLOEXEC } from "../../src/sys/constants.ts";
import { libc } from "../../src/sys/libc.ts";
import { cstr } from "../../src/sys/name.ts";
import { FakeKernel, fields, request } from "../helpers/fake-kernel.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";

const ENOMEM = -12;
const ESTALE = -116;
const opcode = (name: string): number => OPS.find((op) => op.name === name)?.opcode ?? 0;
const LOOKUP = opcode("LOOKUP");
const OPEN = opcode("OPEN");
const READ = opcode("READ");
const GETATTR = opcode("GETATTR");
const FILES = ["one", "two", "three"];

let base: string;
let source: string;
let memory: number;
let open: FakeKernel[] = [];

const serve = (resume: boolean): FakeKernel => {
  const kernel = new FakeKernel(source, { state: { fd: raw(libc.dup, memory), resume } });
  open.push(kernel);
  // The wish for redelivery.
  expect(kernel.reply()).toBeUndefined();
  if (resume) expect(kernel.told.splice(0)).toMatchObject([{ unique: 0n, error: 7 }]);
  return kernel;
};
/** A root that was changed cannot be told from another directory in its place, which is refused. */
function serveUnlessRefused(): FakeKernel | undefined {
  try {
    return serve(true);
  } catch (error) {
    expect(String(error)).toContain("another directory stands in storage");
    return undefined;
  }
}
const end = (kernel: FakeKernel): void => {
  kernel.close();
  open = open.filter((each) => each !== kernel);
};
const entry = (kernel: FakeKernel, parent: bigint, name: string): bigint =>
  kernel.ask(request(LOOKUP, parent, fields(name))).data.readBigUInt64LE(0);
const openFile = (kernel: FakeKernel, node: bigint): bigint => kernel.ask(request(OPEN, node, fields(2, 0))).data.readBigUInt64LE(0);
const readBody = (fh: bigint): Buffer => fields(fh, 0n, 100, 0, 0n, 0, 0);

beforeEach(() => {
  base = tempDirectory("state", { base: SHM });
  source = join(base, "source");
  mkdirSync(join(source, "dir"), { recursive: true });
  for (const name of FILES) writeFileSync(join(source, "dir", name), `content of ${name}`);
  writeFileSync(join(base, "outside"), "outside");
  memory = call("memfd_create", undefined, libc.memfd_create, cstr("state"), MFD_CLOEXEC);
});
afterEach(() => {
  for (const kernel of open.splice(0)) kernel.close();
  raw(libc.close, memory);
  removeTree(base);
});

interface Known {
  readonly dir: bigint;
  readonly nodes: readonly bigint[];
  readonly handles: readonly bigint[];
}

/** A server that serves three open files and then is gone. */
function live(): Known {
  const kernel = serve(false);
  kernel.init();
  const dir = entry(kernel, 1n, "dir");
  const nodes = FILES.map((name) => entry(kernel, dir, name));
  const handles = nodes.map((node) => openFile(kernel, node));
  end(kernel);
  return { dir, nodes, handles };
}

test("sound memory: nodes, names and open files go on, without INIT", () => {
  const { dir, nodes, handles } = live();
  const kernel = serve(true);
  expect(entry(kernel, dir, "one")).toBe(nodes[0]);
  expect(kernel.ask(request(READ, nodes[1] as bigint, readBody(handles[1] as bigint))).data.toString()).toBe("content of two");
  expect(kernel.log).toEqual([]);
});

test.each([
  ["garbage", () => writeSync(memory, Buffer.alloc(1 << 16, 0xa5), 0, 1 << 16, 0)],
  ["a truncated file", () => ftruncateSync(memory, 100)],
  ["an empty file", () => ftruncateSync(memory, 0)],
  ["another version", () => writeSync(memory, Buffer.from([99, 0, 0, 0]), 0, 4, 4)],
  ["a root that is none", () => writeSync(memory, Buffer.alloc(48), 0, 48, NODES_AT + 48)],
  ["more nodes than there can be", () => writeSync(memory, Buffer.alloc(4, 0xff), 0, 4, 8 * 4)],
])("%s: fresh tables; what was known is stale, its numbers are never given out again, and all is found anew", (_, damage) => {
  const { dir, nodes, handles } = live();
  damage();
  const kernel = serve(true);
  expect(kernel.log.join()).toContain("lost");
  expect(kernel.features).toEqual([]);
  for (const node of nodes) expect(kernel.ask(request(GETATTR, node, fields(0, 0, 0n))).error).toBe(ESTALE);
  for (const fh of handles) expect(kernel.ask(request(READ, nodes[0] as bigint, readBody(fh))).error).toBeLessThan(0);
  const found = entry(kernel, 1n, "dir");
  expect(found).toBeGreaterThan(1000n);
  expect([dir, ...nodes]).not.toContain(found);
  const node = entry(kernel, found, "one");
  const fh = openFile(kernel, node);
  expect(fh).toBeGreaterThan(1000n);
  expect(kernel.ask(request(READ, node, readBody(fh))).data.toString()).toBe("content of one");
  end(kernel);
  // And the next one goes on with these.
  const next = serve(true);
  expect(next.log).toEqual([]);
  expect(next.ask(request(READ, node, readBody(fh))).data.toString()).toBe("content of one");
  for (const old of nodes) expect(next.ask(request(GETATTR, old, fields(0, 0, 0n))).error).toBe(ESTALE);
  expect(entry(next, found, "two")).toBeGreaterThan(1000n);
});

test("an open file whose noted flags are garbage is read and written, and never truncated", () => {
  const { nodes, handles } = live();
  writeSync(memory, fields(0o1002), 0, 4, HANDLES_AT + Number(handles[0]) * 16 + 4); // O_RDWR | O_TRUNC
  const kernel = serve(true);
  kernel.ask(request(READ, nodes[0] as bigint, readBody(handles[0] as bigint)));
  expect(readFileSync(join(source, "dir/one"), "utf8")).toBe("content of one");
});

test("records below a mark that was raised are known no more, and their lists are not walked", { timeout: 10_000 }, () => {
  const { nodes, handles } = live();
  writeSync(memory, fields(Number(nodes.at(-1)) + 1, Number(handles.at(-1)) + 1), 0, 8, 12 * 4); // HEADER.firstNode, firstHandle
  const kernel = serve(true);
  for (const node of nodes) expect(kernel.ask(request(GETATTR, node, fields(0, 0, 0n))).error).toBe(ESTALE);
  for (const fh of handles) expect(kernel.ask(request(READ, nodes[0] as bigint, readBody(fh))).error).toBeLessThan(0);
  const node = entry(kernel, entry(kernel, 1n, "dir"), "one");
  expect(kernel.ask(request(READ, node, readBody(openFile(kernel, node)))).data.toString()).toBe("content of one");
});

test("a noted name that leads elsewhere is dropped", () => {
  const { nodes } = live();
  const names = Buffer.alloc(256);
  readSync(memory, names, 0, names.length, NAMES_AT);
  const at = names.indexOf("one\0");
  writeSync(memory, Buffer.from("../"), 0, 3, NAMES_AT + at);
  const kernel = serve(true);
  expect(kernel.session.fs.nodes.firstLink(Number(nodes[0]))).toBe(0);
  expect(kernel.session.fs.nodes.firstLink(Number(nodes[1]))).not.toBe(0);
});

test.each(["shared", "exclusive"] as const)(
  "%s: where no record is left for a node nothing is made, and what is known goes on",
  (cache) => {
    const kernel = new FakeKernel(source, { cache, state: { fd: raw(libc.dup, memory), resume: false } });
    open.push(kernel);
    kernel.init();
    const dir = entry(kernel, 1n, "dir");
    const one = entry(kernel, dir, "one");
    writeSync(memory, fields(MAX_NODES), 0, 4, HEADER.nodes * 4);
    const made = [
      request(opcode("CREATE"), dir, fields(0o102, 0o644, 0o022, 0, "new")),
      request(opcode("TMPFILE"), dir, fields(0o20000002, 0o644, 0o022, 0, "new")),
      request(opcode("MKDIR"), dir, fields(0o755, 0o022, "new")),
      request(opcode("MKNOD"), dir, fields(0o10644, 0, 0o022, 0, "new")),
      request(opcode("SYMLINK"), dir, fields("new", "target")),
      request(LOOKUP, dir, fields("two")),
    ];
    for (const bytes of made) expect(kernel.ask(bytes).error).toBe(ENOMEM);
    expect(readdirSync(join(source, "dir")).sort()).toEqual([...FILES].sort());
    expect(kernel.ask(request(opcode("LINK"), dir, fields(one, "linked"))).error).toBe(0);
    expect(entry(kernel, dir, "one")).toBe(one);
    kernel.step(request(opcode("FORGET"), one, fields(3n)));
    expect(entry(kernel, dir, "two")).toBe(one); // its number, another generation
  },
);

test("where no room is left for a name an unknown file is refused, and what is known goes on", () => {
  const kernel = new FakeKernel(source, { state: { fd: raw(libc.dup, memory), resume: false } });
  open.push(kernel);
  kernel.init();
  const dir = entry(kernel, 1n, "dir");
  const one = entry(kernel, dir, "one");
  writeSync(memory, fields(NAMES_SIZE), 0, 4, HEADER.names * 4);
  expect(kernel.ask(request(LOOKUP, dir, fields("two"))).error).toBe(ENOMEM);
  expect(kernel.session.fs.nodes.count).toBe(3);
  expect(entry(kernel, dir, "one")).toBe(one);
  kernel.step(request(opcode("FORGET"), one, fields(2n)));
  const two = entry(kernel, dir, "two");
  expect(kernel.ask(request(READ, two, readBody(openFile(kernel, two)))).data.toString()).toBe("content of two");
});

test("fuzz: any words anywhere do no harm", { timeout: 60_000 }, () => {
  const { dir, nodes, handles } = live();
  const regions = [0, HANDLES_AT, NODES_AT, LINKS_AT, NAMES_AT] as const;
  const copies = regions.map((at) => {
    const copy = Buffer.alloc(8192);
    readSync(memory, copy, 0, copy.length, at);
    return copy;
  });
  const word = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(0x7fffffff, 0xffffffff, 0x2f2e2e2f), fc.nat(0xffffffff));
  const change = fc.tuple(fc.constantFrom(...regions), fc.nat(120), word);
  const numbers = fc.constantFrom(1n, dir, ...nodes, ...handles, 9n, 2n ** 40n);
  const quiet = OPS.filter((op) => !["INIT", "WRITE", "FALLOCATE", "DESTROY"].includes(op.name)).map((op) => op.opcode);
  const asked = fc.tuple(fc.constantFrom(...quiet), numbers, numbers, fc.constantFrom("one", "dir", "new", ".."));
  const check = (words: readonly [number, number, number][], requests: readonly [number, bigint, bigint, string][]): void => {
    regions.forEach((at, i) => writeSync(memory, copies[i] as Buffer, 0, 8192, at));
    for (const [at, index, value] of words) writeSync(memory, fields(value), 0, 4, at + index * 4);
    const kernel = serveUnlessRefused();
    if (kernel === undefined) return;
    for (const [op, node, number, name] of requests) {
      expect(kernel.step(request(op, node, fields(number, 0n, 100, 0, name, name)))).toBe(STEP.handled);
      kernel.reply();
    }
    const found = entry(kernel, 1n, "outside");
    expect(found).toBe(0n);
    expect(kernel.log.filter((line) => line.includes("failed"))).toEqual([]);
    end(kernel);
    expect(readFileSync(join(base, "outside"), "utf8")).toBe("outside");
  };
  const property = fc.property(fc.array(change, { minLength: 1, maxLength: 30 }), fc.array(asked, { maxLength: 20 }), check);
  fc.assert(property, { numRuns: 3_000, interruptAfterTimeLimit: 6_000 });
});
