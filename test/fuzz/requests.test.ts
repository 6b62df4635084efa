// Requests of a hostile kernel: whole sessions in which nodes and handles are used as they were given out, or not, with their bytes
// damaged or not. Every request is answered or, where none is due, is not; nothing leaves the storage, no descriptor stays.
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OPS } from "../../src/fuse/abi/ops.ts";
import { Memory } from "../../src/fuse/codec/memory.ts";
import { STEP } from "../../src/fuse/session.ts";
import type { CacheMode } from "../../src/config/config.ts";
import { FakeKernel, fields, request } from "../helpers/fake-kernel.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";
import { fuzz, TIMEOUT_MS } from "./fuzz.ts";

let base: string;
beforeEach(() => {
  base = tempDirectory("requests", { base: SHM });
  writeFileSync(join(base, "outside"), "untouched");
});
afterEach(() => removeTree(base));

const U64 = (1n << 64n) - 1n;
const NAMES = ["a", "b", "c", "dir", "file", "link", "out", "..", ".", "", "a/b", "../outside", "x".repeat(255), "x".repeat(256), "\u00ff"];
const name = fc.constantFrom(...NAMES);
const small = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(0n, 1n, 2n, 7n, 100n, 4096n) }, fc.bigInt(0n, U64));
/** Bounded, so that a shared /dev/shm is not filled. */
const size = fc.constantFrom(0n, 1n, 5n, 4096n, 65_536n, U64, 1n << 63n);
const flags = fc.oneof(fc.constantFrom(0, 1, 2, 0o102, 0o1000, 0o2000, 0o200000, 0o400000, 0o4000), fc.nat());
const mode = fc.oneof(fc.constantFrom(0o644, 0o755, 0o100644, 0o10644, 0o40755, 0o4755), fc.nat());

interface Step {
  readonly op: string;
  /** Which of the nodes, and handles, there were so far. */
  readonly node: number;
  readonly other: number;
  readonly handle: number;
  readonly names: readonly [string, string];
  readonly numbers: readonly [bigint, bigint];
  readonly size: bigint;
  readonly flags: number;
  readonly mode: number;
  /** Bytes of the message that are changed: where, to what; and how many are missing or too many at its end. */
  readonly damage: readonly (readonly [number, number])[];
  readonly cut: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom(...OPS.map((op) => op.name).filter((one) => !["INIT", "DESTROY"].includes(one))),
  node: fc.nat({ max: 8 }),
  other: fc.nat({ max: 8 }),
  handle: fc.nat({ max: 5 }),
  names: fc.tuple(name, name),
  numbers: fc.tuple(small, small),
  size,
  flags,
  mode,
  damage: fc.oneof(
    { weight: 5, arbitrary: fc.constant([]) },
    fc.array(fc.tuple(fc.integer({ min: 4, max: 120 }), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
  ),
  cut: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: -40, max: 40 })),
});

class Client {
  readonly nodes = [1n];
  readonly handles: bigint[] = [];

  body(s: Step): Buffer {
    const node = this.nodes[s.other % this.nodes.length] ?? 1n;
    const fh = this.handles[s.handle] ?? BigInt(s.handle);
    const [one, other] = s.names;
    const [n, m] = s.numbers;
    const bytes = Number(BigInt.asUintN(12, s.size));
    switch (s.op) {
      case "FORGET":
        return fields(n);
      case "BATCH_FORGET":
        return fields(2, 0, node, n, 1n, m);
      case "GETATTR":
        return fields(s.flags & 1, 0, fh);
      case "SETATTR":
        return fields(
          s.flags & 0xffff,
          0,
          fh,
          s.size & 0xfffffn,
          0n,
          n,
          m,
          n,
          0,
          1,
          2,
          s.mode,
          0,
          Number(n & 0xffffn),
          Number(m & 0xffffn),
          0,
        );
      case "SYMLINK":
        return fields(one, other);
      case "MKNOD":
        return fields(s.mode, Number(m & 0xffffn), 0o22, 0, one);
      case "MKDIR":
        return fields(s.mode, 0o22, one);
      case "RENAME":
        return fields(node, one, other);
      case "RENAME2":
        return fields(node, s.flags & 7, 0, one, other);
      case "LINK":
        return fields(node, one);
      case "OPEN":
      case "OPENDIR":
        return fields(s.flags, 0);
      case "READ":
      case "READDIR":
      case "READDIRPLUS":
        return fields(fh, n, Number(s.size & 0x1ffffn), 0, 0n, s.flags, 0);
      case "WRITE":
        return fields(fh, n & 0xfffffn, bytes, 0, 0n, s.flags, 0, Buffer.alloc(bytes, 1));
      case "RELEASE":
      case "RELEASEDIR":
        return fields(fh, s.flags, 0, 0n);
      case "FSYNC":
      case "FSYNCDIR":
        return fields(fh, s.flags & 1, 0);
      case "FLUSH":
        return fields(fh, 0, 0, 0n);
      case "SETXATTR":
        return fields(4, s.flags & 3, 0, 0, `user.${one}`, Buffer.from("data"));
      case "GETXATTR":
      case "LISTXATTR":
        return fields(bytes, 0, `user.${one}`);
      case "CREATE":
      case "TMPFILE":
        return fields(s.flags, s.mode, 0o22, 0, one);
      case "FALLOCATE":
        return fields(fh, n & 0xffffn, s.size & 0xffffn, s.flags & 0x7f, 0);
      case "LSEEK":
        return fields(fh, n, s.flags & 7, 0);
      case "COPY_FILE_RANGE":
      case "COPY_FILE_RANGE_64":
        return fields(fh, n & 0xffffn, node, this.handles[0] ?? 0n, m & 0xffffn, s.size & 0xffffn, 0n);
      default:
        return fields(one);
    }
  }

  message(s: Step): Buffer {
    const opcode = OPS.find((op) => op.name === s.op)?.opcode ?? 0;
    const whole = request(opcode, this.nodes[s.node % this.nodes.length] ?? 1n, this.body(s));
    const cut = s.cut < 0 ? whole.subarray(0, Math.max(40, whole.length + s.cut)) : Buffer.concat([whole, Buffer.alloc(s.cut, 0xaa)]);
    const message = Buffer.from(cut);
    // Not the length (a session ends at that), not the opcode.
    for (const [at, byte] of s.damage) if (at >= 16 && at < message.length && (at < 36 || at >= 40)) message[at] = byte;
    message.writeUInt32LE(message.length, 0);
    return message;
  }

  /** Remembers what a reply gives out. */
  learn(s: Step, data: Buffer): void {
    if (["LOOKUP", "CREATE", "MKDIR", "MKNOD", "SYMLINK", "LINK", "TMPFILE"].includes(s.op) && data.length >= 128) {
      const node = data.readBigUInt64LE(0);
      if (node > 1n) this.nodes.push(node);
      if (data.length >= 144) this.handles.push(data.readBigUInt64LE(128));
    }
    if (["OPEN", "OPENDIR"].includes(s.op) && data.length === 16) this.handles.push(data.readBigUInt64LE(0));
  }
}

const ESTALE = -116;

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

describe("7. Input is checked before it is used.", () => {
  for (const cache of ["shared", "exclusive"] as const satisfies readonly CacheMode[]) {
    test(`fuzz: sessions of FUSE requests, cache "${cache}"`, { timeout: TIMEOUT_MS }, async () => {
      const memory = new Memory();
      let number = 0;
      const serve = (steps: readonly Step[]): void => {
        const source = join(base, `storage${(number += 1)}`);
        mkdirSync(join(source, "dir"), { recursive: true });
        writeFileSync(join(source, "file"), "content");
        symlinkSync("../outside", join(source, "out"));
        const kernel = new FakeKernel(source, { cache, memory });
        try {
          kernel.init();
          const client = new Client();
          for (const s of steps) {
            const message = client.message(s);
            expect(kernel.step(message), s.op).toBe(STEP.handled);
            const reply = kernel.reply();
            const due = OPS.find((op) => op.name === s.op)?.reply !== false;
            // What goes to a lane is answered by it.
            if (!due || !kernel.takeDeferred()) expect(reply !== undefined, s.op).toBe(due);
            if (reply === undefined) continue;
            expect(reply.unique, s.op).toBe(message.readBigUInt64LE(8));
            if (reply.error === 0) client.learn(s, reply.data);
            else expect(reply.error, s.op).toBeGreaterThan(-200);
          }
          expect(kernel.ask(request(17, 1n)).error).toBe(0);
          expect(kernel.log.filter((line) => line.includes("failed"))).toEqual([]);
        } finally {
          kernel.close();
          removeTree(source);
        }
      };
      serve([]);
      const before = openDescriptors();
      await fuzz(
        fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
          serve(steps);
          expect(readFileSync(join(base, "outside"), "utf8")).toBe("untouched");
          expect(readdirSync(base)).toEqual(["outside"]);
          expect(openDescriptors()).toBe(before);
        }),
      );
    });
  }

  test("nodes and handles that nobody was given are ESTALE or EIO, at once", () => {
    writeFileSync(join(base, "file"), "content");
    for (const cache of ["shared", "exclusive"] as const) {
      const kernel = new FakeKernel(base, { cache });
      kernel.init();
      for (const node of [2n, 99n, (1n << 32n) + 1n, 0x1a000003n, 1n << 53n, U64]) {
        const bodies: [number, Buffer][] = [
          [15, fields(0n, 0n, 100, 0, 0n, 0, 0)],
          [16, fields(0n, 0n, 1, 0, 0n, 0, 0, Buffer.from("x"))],
          [4, fields(8, 0, 0n, 0n, 0n, 0n, 0n, 0n, 0, 0, 0, 0, 0, 0, 0, 0)],
          [47, fields(0n, 0n, node, 0n, 0n, 1n, 0n)],
          [14, fields(0, 0)],
          [13, fields(node, "new")],
          [12, fields(node, "file", "new")],
        ];
        for (const [opcode, body] of bodies)
          expect([ESTALE, -5, -38], `${opcode} ${node}`).toContain(kernel.ask(request(opcode, node, body)).error);
        expect(kernel.ask(request(47, 1n, fields(0n, 0n, node, 0n, 0n, 1n, 0n))).error).toBeLessThan(0);
      }
      kernel.close();
    }
  });
});
