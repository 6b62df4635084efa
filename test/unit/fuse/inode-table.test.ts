// The node table: identity, names, references, and what a successor makes of a predecessor's memory.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { raw } from "../../../src/sys/call.ts";
import { MFD_CLOEXEC } from "../../../src/sys/constants.ts";
import { libc } from "../../../src/sys/libc.ts";
import { cstr } from "../../../src/sys/name.ts";
import { HandleTable } from "../../../src/fuse/passthrough/handle-table.ts";
import { InodeTable } from "../../../src/fuse/passthrough/inode-table.ts";
import { SharedTables } from "../../../src/fuse/passthrough/shared-tables.ts";
import { HEADER } from "../../../src/fuse/passthrough/table-layout.ts";

const bytes = (name: string): [Uint8Array, number, number] => {
  const buffer = Buffer.from(`${name}\0`);
  return [buffer, 0, buffer.length - 1];
};

function newTable(tables = new SharedTables()): { tables: SharedTables; nodes: InodeTable; root: number } {
  const nodes = new InodeTable(tables);
  const root = nodes.add(0, 1, 0, 0, true);
  nodes.lookedUp(root);
  return { tables, nodes, root };
}

describe("the inode table", () => {
  test("the first node is the root, number 1", () => {
    expect(newTable().root).toBe(1);
  });

  test("an identity is found again, and only with all of its parts", () => {
    const { nodes } = newTable();
    const n = nodes.add(0, 7, 9, 11, false);
    expect(nodes.find(0, 7, 9, 11)).toBe(n);
    expect(nodes.find(0, 7, 8, 11)).toBe(0);
    expect(nodes.find(1, 7, 9, 11)).toBe(0);
  });

  test("a number that was given to another file (another birth) is not the old node", () => {
    const { nodes } = newTable();
    const old = nodes.add(0, 7, 0, 1, false);
    nodes.lookedUp(old);
    expect(nodes.find(0, 7, 0, 2)).toBe(0);
    const fresh = nodes.add(0, 7, 0, 2, false);
    expect(fresh).not.toBe(old);
    expect(nodes.find(0, 7, 0, 2)).toBe(fresh);
    nodes.forget(old, 1);
    expect(nodes.find(0, 7, 0, 2)).toBe(fresh);
  });

  test("a slot that is used again has another generation", () => {
    const { nodes } = newTable();
    const n = nodes.add(0, 7, 0, 0, false);
    const generation = nodes.generation(n);
    nodes.lookedUp(n);
    nodes.forget(n, 1);
    expect(nodes.has(n)).toBe(false);
    const again = nodes.add(0, 8, 0, 0, false);
    expect(again).toBe(n);
    expect(nodes.generation(again)).toBe(generation + 1);
  });

  test("a directory outlives its lookups while a child is known by it, and goes with the child", () => {
    const { nodes, root } = newTable();
    const dir = nodes.add(0, 2, 0, 0, true);
    nodes.lookedUp(dir);
    nodes.addName(dir, root, ...bytes("dir"));
    const file = nodes.add(0, 3, 0, 0, false);
    nodes.lookedUp(file);
    nodes.addName(file, dir, ...bytes("file"));
    nodes.forget(dir, 1);
    expect(nodes.has(dir)).toBe(true);
    nodes.forget(file, 1);
    expect([nodes.has(dir), nodes.has(file), nodes.count]).toEqual([false, false, 1]);
  });

  test("a file with several names keeps the others when one goes", () => {
    const { nodes, root } = newTable();
    const n = nodes.add(0, 7, 0, 0, false);
    for (const name of ["a", "b", "c", "b"]) nodes.addName(n, root, ...bytes(name));
    nodes.removeName(n, root, ...bytes("b"));
    const names: string[] = [];
    for (let link = nodes.firstLink(n); link !== 0; link = nodes.nextLink(link)) {
      names.push(Buffer.from(nodes.names.bytes(nodes.nameOf(link))).toString());
    }
    expect(names.sort()).toEqual(["a", "c"]);
  });

  test("nothing the kernel could say about unknown numbers does harm", () => {
    const { nodes } = newTable();
    for (const n of [0, 2, 77, 4_000_000_000, -1, Number.NaN]) {
      expect(nodes.has(n)).toBe(false);
      nodes.forget(n, 1);
    }
    nodes.forget(1, 1000);
    expect(nodes.has(1)).toBe(true);
  });

  test("any sequence of looking up, naming and forgetting agrees with a plain map", () => {
    const step = fc.record({
      ino: fc.integer({ min: 2, max: 40 }),
      kind: fc.constantFrom("lookup", "forget", "delete"),
      name: fc.integer({ min: 0, max: 5 }),
    });
    const check = (steps: readonly { ino: number; kind: string; name: number }[]): void => {
      const { nodes, root, tables } = newTable();
      const counts = new Map<number, number>();
      const ids = new Map<number, number>();
      for (const { ino, kind, name } of steps) {
        const known = nodes.find(0, ino, 0, 0);
        expect(known).toBe(ids.get(ino) ?? 0);
        if (kind === "lookup") {
          const n = known || nodes.add(0, ino, 0, 0, false);
          nodes.addName(n, root, ...bytes(`name${name}`));
          nodes.lookedUp(n);
          ids.set(ino, n);
          counts.set(n, (counts.get(n) ?? 0) + 1);
        } else if (known !== 0 && kind === "delete") {
          nodes.detach(known);
          ids.delete(ino);
        } else if (known !== 0) {
          nodes.forget(known, 1);
          const left = (counts.get(known) ?? 0) - 1;
          counts.set(known, left);
          if (left === 0) ids.delete(ino);
        }
      }
      expect(nodes.count).toBe(1 + [...counts.values()].filter((count) => count > 0).length);
      tables.close();
    };
    fc.assert(fc.property(fc.array(step, { maxLength: 200 }), check), { numRuns: 100, interruptAfterTimeLimit: 3000 });
  });

  test("20,000 files cost less than 100 bytes each, and every one is found", () => {
    const { nodes, root, tables } = newTable();
    for (let i = 2; i < 20_002; i += 1) {
      const n = nodes.add(0, i, 0, 0, false);
      nodes.lookedUp(n);
      nodes.addName(n, root, ...bytes(`some-file-${i}.txt`));
    }
    for (let i = 2; i < 20_002; i += 1) expect(nodes.find(0, i, 0, 0)).toBeGreaterThan(0);
    const h = tables.header;
    const used = (h[HEADER.nodes] as number) * 48 + (h[HEADER.links] as number) * 16 + (h[HEADER.names] as number);
    expect(used / 20_000).toBeLessThan(100);
  });
});

describe("a successor", () => {
  const memory = (): number => raw(libc.memfd_create, cstr("test"), MFD_CLOEXEC);
  const again = (fd: number): number => raw(libc.dup, fd);

  test("finds nodes, names and handles as they were", () => {
    const fd = memory();
    const first = newTable(new SharedTables({ fd: again(fd), resume: false }));
    const dir = first.nodes.add(0, 2, 0, 5, true);
    first.nodes.lookedUp(dir);
    first.nodes.addName(dir, first.root, ...bytes("dir"));
    const file = first.nodes.add(0, 3, 0, 5, false);
    first.nodes.lookedUp(file);
    first.nodes.addName(file, dir, ...bytes("file"));
    const fh = new HandleTable(first.tables, first.nodes).open(file, 2, -1);
    first.tables.settle(31, 0, 0);

    const tables = new SharedTables({ fd: again(fd), resume: true });
    const nodes = new InodeTable(tables);
    const handles = new HandleTable(tables, nodes);
    expect(tables.resumed).toBe(true);
    expect(nodes.count).toBe(3);
    expect(nodes.find(0, 3, 0, 5)).toBe(file);
    expect(nodes.parentOf(nodes.firstLink(file))).toBe(dir);
    expect([handles.node(fh), handles.flags(fh), handles.fd(fh)]).toEqual([file, 2, -1]);
    nodes.forget(file, 1);
    expect(nodes.has(file)).toBe(true);
    handles.close(fh);
    expect(nodes.has(file)).toBe(false);
    raw(libc.close, fd);
  });

  test("survives memory in which anything was left half done", () => {
    const fd = memory();
    const first = newTable(new SharedTables({ fd: again(fd), resume: false }));
    for (let i = 2; i < 300; i += 1) {
      const n = first.nodes.add(0, i, 0, 0, i % 7 === 0);
      first.nodes.lookedUp(n);
      first.nodes.addName(n, first.root, ...bytes(`n${i}`));
    }
    first.tables.settle(31, 0, 0);
    const damage = fc.array(fc.tuple(fc.integer({ min: 12, max: 300 * 12 }), fc.integer({ min: 0, max: 0xffffffff })), { maxLength: 50 });
    const check = (words: readonly [number, number][]): void => {
      for (const [at, value] of words) first.tables.nodes.u32[at] = value;
      for (const [at, value] of words) first.tables.links.u32[at % 1200] = value;
      const tables = new SharedTables({ fd: again(fd), resume: true });
      const nodes = new InodeTable(tables);
      for (let n = 2; n < 320; n += 1) nodes.forget(n, 1e9);
      tables.close();
    };
    fc.assert(fc.property(damage, check), { numRuns: 60, interruptAfterTimeLimit: 3000 });
    raw(libc.close, fd);
  });
});
