import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { placeLink, removeLink } from "../../src/link/apply.ts";
import { swapName } from "../../src/link/private-name.ts";
import type { LinkSpec } from "../../src/plan/types.ts";
import { cstr } from "../../src/sys/name.ts";
import { withDisk } from "../helpers/disk.ts";
import { makeGrounds, whileMapped, type Grounds } from "./place.ts";

let grounds: Grounds;
beforeEach(() => {
  grounds = makeGrounds("place");
});
afterEach(() => grounds.remove());

const place = (spec: LinkSpec, own?: string) => placeLink(spec, grounds.home, own);
const remove = (spec: LinkSpec) => removeLink(spec.target, spec.source, grounds.home);

function inTheWay(spec: LinkSpec, content: string): void {
  mkdirSync(dirname(spec.target), { recursive: true });
  writeFileSync(spec.target, content);
}

test("a link dangles until the first write makes its file; storage parents are private, home parents as configured", () => {
  const spec = grounds.spec("a/b/c.conf");
  expect(place(spec).result).toBe("placed");
  expect(readlinkSync(spec.target)).toBe(spec.source);
  expect(lstatSync(dirname(spec.source)).mode & 0o777).toBe(0o700);
  expect(lstatSync(dirname(spec.target)).mode & 0o777).toBe(0o755);
  writeFileSync(spec.target, "first");
  expect(readFileSync(spec.source, "utf8")).toBe("first");
  expect(place(spec).result).toBe("kept");
});

test("modes are those configured whatever the umask", () => {
  const umask = process.umask(0o077);
  try {
    const spec = grounds.spec("x/y", { parentMode: 0o775 });
    place(spec);
    expect(lstatSync(dirname(spec.target)).mode & 0o777).toBe(0o775);
  } finally {
    process.umask(umask);
  }
});

test("what a program changes through a mapping while a large file is compared is not lost", async () => {
  const spec = grounds.spec("large");
  for (const path of [spec.source, spec.target]) writeFileSync(path, Buffer.alloc(128 * 1024 * 1024, "x"));
  await whileMapped(spec.target, () => void place(spec));
  expect(readFileSync(spec.target, "utf8").slice(0, 8)).toBe("PRECIOUS");
});

test("an empty file and one with the same content are replaced without a word", () => {
  const empty = grounds.spec("empty");
  writeFileSync(empty.source, "kept");
  inTheWay(empty, "");
  expect(place(empty).result).toBe("replaced");
  const same = grounds.spec("same");
  writeFileSync(same.source, "same");
  inTheWay(same, "same");
  expect(place(same).result).toBe("replaced");
  for (const spec of [empty, same]) expect(readlinkSync(spec.target)).toBe(spec.source);
  expect(readFileSync(empty.target, "utf8")).toBe("kept");
  expect(readdirSync(grounds.home).sort()).toEqual(["empty", "same"]);
});

test("refuse leaves a differing file alone and names it", () => {
  const spec = grounds.spec("f");
  writeFileSync(spec.source, "old");
  inTheWay(spec, "new");
  const outcome = place(spec);
  expect(outcome).toMatchObject({
    result: "conflict",
    reason: expect.stringContaining(spec.target),
    hint: expect.stringContaining("onConflict"),
  });
  expect(readFileSync(spec.target, "utf8")).toBe("new");
  expect(readFileSync(spec.source, "utf8")).toBe("old");
});

test("backup moves what is in the way to a dated name beside it, directories and foreign links too", () => {
  const file = grounds.spec("f", { onConflict: "backup" });
  inTheWay(file, "mine");
  const outcome = place(file);
  if (outcome.result !== "backed-up") throw new Error(JSON.stringify(outcome));
  expect(outcome.backup).toMatch(/\/f\.hmpersist-backup-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d$/);
  expect(readFileSync(outcome.backup, "utf8")).toBe("mine");
  const directory = grounds.spec("d", { onConflict: "backup" });
  mkdirSync(directory.target);
  writeFileSync(join(directory.target, "x"), "x");
  expect(place(directory).result).toBe("backed-up");
  const link = grounds.spec("l", { onConflict: "backup" });
  symlinkSync("/nowhere", link.target);
  expect(place(link).result).toBe("backed-up");
  for (const spec of [file, directory, link]) expect(readlinkSync(spec.target)).toBe(spec.source);
});

test("two backups within a second do not collide", () => {
  const spec = grounds.spec("f", { onConflict: "backup" });
  for (const content of ["1", "2", "3"]) {
    removeLink(spec.target, spec.source, grounds.home);
    inTheWay(spec, content);
    expect(place(spec).result).toBe("backed-up");
  }
  expect(readdirSync(grounds.home)).toHaveLength(4);
});

test("a name of 255 bytes can be linked and backed up", () => {
  const spec = grounds.spec("é".repeat(127) + "x", { onConflict: "backup" });
  inTheWay(spec, "mine");
  expect(place(spec).result).toBe("backed-up");
  const [backup = ""] = readdirSync(grounds.home).filter((name) => name.includes("backup"));
  expect(Buffer.byteLength(backup)).toBeLessThanOrEqual(255);
  expect(backup).not.toContain("\ufffd");
});

test("adopt moves the home's file to storage if storage has none, and refuses otherwise", () => {
  const spec = grounds.spec("f", { onConflict: "adopt" });
  inTheWay(spec, "mine");
  chmodSync(spec.target, 0o640);
  expect(place(spec)).toMatchObject({ result: "adopted" });
  expect(readFileSync(spec.source, "utf8")).toBe("mine");
  expect(lstatSync(spec.source).mode & 0o777).toBe(0o640);
  const other = grounds.spec("g", { onConflict: "adopt" });
  writeFileSync(other.source, "stored");
  inTheWay(other, "mine");
  expect(place(other).result).toBe("conflict");
  expect(readFileSync(other.target, "utf8")).toBe("mine");
});

test("a link that is not ours is never touched; one we made earlier is replaced", () => {
  const spec = grounds.spec("f");
  symlinkSync("/somewhere/else", spec.target);
  expect(place(spec)).toMatchObject({ result: "conflict", reason: expect.stringContaining("/somewhere/else") });
  expect(readlinkSync(spec.target)).toBe("/somewhere/else");
  expect(place(spec, "/somewhere/else").result).toBe("replaced");
  expect(readlinkSync(spec.target)).toBe(spec.source);
});

test("a directory where a file is expected is refused, on either side", () => {
  const home = grounds.spec("h");
  mkdirSync(home.target);
  expect(place(home)).toMatchObject({ result: "conflict", reason: expect.stringContaining("is a directory") });
  const storage = grounds.spec("s");
  mkdirSync(storage.source);
  expect(place(storage)).toMatchObject({ result: "conflict", reason: expect.stringContaining("a file is expected") });
});

test("a parent that is a link is refused and nothing is written where it leads", () => {
  const outside = join(grounds.base, "outside");
  mkdirSync(outside);
  symlinkSync(outside, join(grounds.home, "p"));
  const spec = grounds.spec("p/q/f");
  expect(place(spec)).toMatchObject({ result: "conflict", reason: expect.stringContaining(`is a link (to ${outside})`) });
  symlinkSync(outside, join(grounds.storage, "s"));
  expect(place(grounds.spec("s/q/f")).result).toBe("conflict");
  expect(readdirSync(outside)).toEqual([]);
});

test("a linked directory is made in storage with its mode; an empty one in the way is replaced, a full one refused", () => {
  const spec = grounds.spec("d/e", { what: "directory", mode: 0o750 });
  mkdirSync(spec.target, { recursive: true });
  expect(place(spec).result).toBe("replaced");
  expect(lstatSync(spec.source).mode & 0o777).toBe(0o750);
  writeFileSync(join(spec.target, "through"), "x");
  expect(readdirSync(spec.source)).toEqual(["through"]);
  const full = grounds.spec("full", { what: "directory" });
  mkdirSync(full.target);
  writeFileSync(join(full.target, "x"), "x");
  expect(place(full)).toMatchObject({ result: "conflict", hint: expect.stringContaining("adopt") });
});

test("only a link that is still ours is removed", () => {
  const spec = grounds.spec("f");
  place(spec);
  expect(remove(spec)).toEqual({ result: "removed" });
  expect(remove(spec)).toEqual({ result: "missing" });
  symlinkSync("/else", spec.target);
  expect(remove(spec)).toEqual({ result: "left" });
  expect(readlinkSync(spec.target)).toBe("/else");
  expect(removeLink(join(grounds.home, "no/such"), "x", grounds.home)).toEqual({ result: "missing" });
});

test("what a killed healing left beside a link outlives its removal", () => {
  const spec = grounds.spec("f");
  const swap = join(grounds.home, Buffer.from(swapName(cstr("f")).subarray(0, -1)).toString());
  place(spec);
  writeFileSync(swap, "newest");
  const outcome = remove(spec);
  if (outcome.result !== "removed" || outcome.backup === undefined) throw new Error(JSON.stringify(outcome));
  expect(readFileSync(outcome.backup, "utf8")).toBe("newest");
  expect(readdirSync(grounds.home)).toEqual([basename(outcome.backup)]);
  // In a home without RENAME_EXCHANGE nothing stands in the place for a moment.
  writeFileSync(swap, "only copy");
  expect(remove(spec)).toEqual({ result: "left" });
  expect(readFileSync(spec.target, "utf8")).toBe("only copy");
  // Our own link, of an exchange that did not come about.
  rmSync(spec.target);
  place(spec);
  symlinkSync(spec.source, swap);
  expect(remove(spec)).toEqual({ result: "removed" });
  expect(existsSync(swap)).toBe(false);
});

test("names with newlines and control characters are linked, and shown escaped", () => {
  const spec = grounds.spec("a\nb\u001b[31m");
  expect(place(spec).result).toBe("placed");
  removeLink(spec.target, spec.source, grounds.home);
  mkdirSync(spec.target);
  const outcome = place(spec);
  expect(outcome.result === "conflict" && outcome.reason).toContain("a\\nb\\x1b[31m");
});

test("a file with the same content as storage's goes when storage's is on disk", () =>
  withDisk(grounds.storage, [], ({ afterPowerCut }) => {
    const spec = grounds.spec("f");
    inTheWay(spec, "same");
    writeFileSync(spec.source, "same");
    expect(place(spec).result).toBe("replaced");
    expect(afterPowerCut((disk) => readFileSync(join(disk, "f"), "utf8"))).toBe("same");
  }));
