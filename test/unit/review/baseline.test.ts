import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { BaselineWriter, extendHash, loadBaseline, ROOT_HASH, signature } from "../../../src/review/baseline.ts";

const directory = mkdtempSync(join(tmpdir(), "hmp-baseline-"));
afterAll(() => rmSync(directory, { recursive: true }));
const name = (text: string): Uint8Array => Buffer.from(`${text}\0`);

test("tells new, changed, same and gone", () => {
  const file = join(directory, "sub", "baseline");
  const writer = new BaselineWriter();
  for (let index = 0; index < 100_000; index += 1) writer.add(extendHash(ROOT_HASH, name(`file-${index}`)), signature(1.5, index));
  writer.save(file, "/home/jane", 42);
  const baseline = loadBaseline(file, "/home/jane");
  expect(baseline.header).toEqual({ home: "/home/jane", taken: 42, count: 100_000 });
  for (let index = 0; index < 99_990; index += 1) {
    expect(baseline.compare(extendHash(ROOT_HASH, name(`file-${index}`)), signature(1.5, index))).toBe("same");
  }
  expect(baseline.compare(extendHash(ROOT_HASH, name("file-99990")), signature(1.5000001, 99_990))).toBe("changed");
  expect(baseline.compare(extendHash(ROOT_HASH, name("file-x")), signature(1.5, 1))).toBe("new");
  expect(baseline.gone).toBe(9);
});

test("a path's hash depends on where the slashes are", () => {
  const hash = extendHash(extendHash(ROOT_HASH, name("a")), name("bc"));
  expect(hash).not.toEqual(extendHash(extendHash(ROOT_HASH, name("ab")), name("c")));
});

test("something else is refused, and says how to make one", () => {
  const file = join(directory, "wrong");
  expect(() => loadBaseline(file, "/home/jane")).toThrow(/no baseline at .*ENOENT/);
  for (const text of ["", "x", '{"format":"hmpersist-baseline-1"}\n', "[]\n"]) {
    writeFileSync(file, text);
    expect(() => loadBaseline(file, "/home/jane")).toThrow(/is no baseline, or a damaged one/);
  }
  const writer = new BaselineWriter();
  writer.add(ROOT_HASH, 1);
  writer.save(file, "/", 0);
  truncateSync(file, 80);
  expect(() => loadBaseline(file, "/home/jane")).toThrow(/damaged/);
});
