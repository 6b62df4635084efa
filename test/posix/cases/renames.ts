// rename(2) with its flags, between directories, over what is there.
import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
  linkSync,
} from "node:fs";
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from "../../../src/sys/constants.ts";
import { fails, python, rename2, type Cases } from "../calls.ts";

export const renames: Cases = {
  "RENAME_NOREPLACE moves to a free name and is EEXIST on a taken one": (directory) => {
    writeFileSync(`${directory}/a`, "a");
    rename2(`${directory}/a`, `${directory}/b`, RENAME_NOREPLACE);
    writeFileSync(`${directory}/a`, "second");
    fails("EEXIST", () => rename2(`${directory}/a`, `${directory}/b`, RENAME_NOREPLACE));
    assert.equal(readFileSync(`${directory}/b`, "utf8"), "a");
    assert.equal(readFileSync(`${directory}/a`, "utf8"), "second");
  },
  "RENAME_EXCHANGE swaps two files, and a file with a directory": (directory) => {
    writeFileSync(`${directory}/a`, "a");
    writeFileSync(`${directory}/b`, "b");
    rename2(`${directory}/a`, `${directory}/b`, RENAME_EXCHANGE);
    assert.equal(readFileSync(`${directory}/a`, "utf8") + readFileSync(`${directory}/b`, "utf8"), "ba");
    mkdirSync(`${directory}/d`);
    writeFileSync(`${directory}/d/inside`, "inside");
    rename2(`${directory}/a`, `${directory}/d`, RENAME_EXCHANGE);
    assert.equal(readFileSync(`${directory}/a/inside`, "utf8"), "inside");
    assert.equal(readFileSync(`${directory}/d`, "utf8"), "b");
    fails("ENOENT", () => rename2(`${directory}/a`, `${directory}/none`, RENAME_EXCHANGE));
  },
  "rename flags that exclude each other or are unknown are EINVAL": (directory) => {
    writeFileSync(`${directory}/a`, "a");
    writeFileSync(`${directory}/b`, "b");
    fails("EINVAL", () => rename2(`${directory}/a`, `${directory}/b`, RENAME_NOREPLACE | RENAME_EXCHANGE));
    fails("EINVAL", () => rename2(`${directory}/a`, `${directory}/b`, 0x100));
  },
  "rename keeps the inode number and replaces what was there": (directory) => {
    mkdirSync(`${directory}/from`);
    mkdirSync(`${directory}/to`);
    writeFileSync(`${directory}/from/file`, "moved");
    writeFileSync(`${directory}/to/file`, "replaced");
    const { ino } = statSync(`${directory}/from/file`);
    renameSync(`${directory}/from/file`, `${directory}/to/file`);
    assert.equal(statSync(`${directory}/to/file`).ino, ino);
    assert.equal(readFileSync(`${directory}/to/file`, "utf8"), "moved");
    assert.equal(existsSync(`${directory}/from/file`), false);
  },
  "a directory moves with all below it": (directory) => {
    mkdirSync(`${directory}/a/b/c`, { recursive: true });
    mkdirSync(`${directory}/z`);
    writeFileSync(`${directory}/a/b/c/file`, "deep");
    renameSync(`${directory}/a/b`, `${directory}/z/b`);
    assert.equal(readFileSync(`${directory}/z/b/c/file`, "utf8"), "deep");
    assert.deepEqual(readdirSync(`${directory}/a`), []);
    assert.equal(statSync(`${directory}/z/b/..`).ino, statSync(`${directory}/z`).ino);
    assert.deepEqual([statSync(`${directory}/a`).nlink, statSync(`${directory}/z`).nlink], [2, 3]);
    renameSync(`${directory}/z/b`, `${directory}/a`);
    assert.equal(readFileSync(`${directory}/a/c/file`, "utf8"), "deep");
  },
  "rename between two names of one file does nothing": (directory) => {
    writeFileSync(`${directory}/a`, "a");
    linkSync(`${directory}/a`, `${directory}/b`);
    renameSync(`${directory}/a`, `${directory}/b`);
    assert.deepEqual(readdirSync(directory).sort(), ["a", "b"]);
    assert.equal(statSync(`${directory}/a`).nlink, 2);
  },
  "a symlink is renamed, not what it points to": (directory) => {
    writeFileSync(`${directory}/target`, "t");
    symlinkSync("target", `${directory}/link`);
    renameSync(`${directory}/link`, `${directory}/moved`);
    assert.equal(lstatSync(`${directory}/moved`).isSymbolicLink(), true);
    assert.equal(readFileSync(`${directory}/target`, "utf8"), "t");
  },
  "four processes rename in one tree and nothing is lost or doubled": async (directory) => {
    for (let index = 0; index < 4; index += 1) mkdirSync(`${directory}/d${index}`);
    for (let index = 0; index < 200; index += 1) writeFileSync(`${directory}/d${index % 4}/f${index}`, String(index));
    const mover = `import os, random, sys
random.seed(int(sys.argv[1]))
for n in range(1000):
    a, b = random.randrange(4), random.randrange(4)
    try: os.rename("d%d/f%d" % (a, (f := random.randrange(200))), "d%d/f%d" % (b, f))
    except FileNotFoundError: pass
`;
    await Promise.all([1, 2, 3, 4].map((seed) => python(directory, mover, String(seed))));
    const found: string[] = [];
    for (let index = 0; index < 4; index += 1) {
      for (const name of readdirSync(`${directory}/d${index}`)) {
        assert.equal(`f${readFileSync(`${directory}/d${index}/${name}`, "utf8")}`, name);
        found.push(name);
      }
    }
    assert.equal(new Set(found).size, 200);
    assert.equal(found.length, 200);
  },
};
