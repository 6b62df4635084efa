// Names are bytes, up to 255 of them; a path may be longer than PATH_MAX when it is walked in steps.
import assert from "node:assert/strict";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  readlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { O_DIRECTORY, O_PATH, O_RDONLY } from "../../../src/sys/constants.ts";
import { call } from "../../../src/sys/call.ts";
import { libc } from "../../../src/sys/libc.ts";
import { cstr } from "../../../src/sys/name.ts";
import { fails, python, type Cases } from "../calls.ts";

const under = (directory: string, name: Buffer): Buffer => Buffer.concat([Buffer.from(`${directory}/`), name]);
const listed = (directory: string): string[] =>
  readdirSync(Buffer.from(directory), { encoding: "buffer" })
    .map((name) => name.toString("hex"))
    .sort();

export const names: Cases = {
  "a name that is not UTF-8 is made, listed, opened, renamed and removed byte for byte": (directory) => {
    const [odd, other] = [Buffer.from("61ff80fec3", "hex"), Buffer.from("c3a9", "hex")];
    writeFileSync(under(directory, odd), "odd");
    assert.deepEqual(listed(directory), [odd.toString("hex")]);
    assert.equal(readFileSync(under(directory, odd), "utf8"), "odd");
    renameSync(under(directory, odd), under(directory, other));
    assert.deepEqual(listed(directory), [other.toString("hex")]);
    unlinkSync(under(directory, other));
    assert.deepEqual(listed(directory), []);
  },
  "every byte but NUL and slash serves as a name": (directory) => {
    const wanted: string[] = [];
    for (let byte = 1; byte < 256; byte += 1) {
      if (byte === 0x2f) continue;
      const name = Buffer.from([0x78, byte]);
      writeFileSync(under(directory, name), String(byte));
      wanted.push(name.toString("hex"));
    }
    assert.deepEqual(listed(directory), wanted.sort());
    assert.equal(readFileSync(under(directory, Buffer.from([0x78, 0x0a])), "utf8"), "10");
  },
  "names that differ only in Unicode normalisation or case are different files": (directory) => {
    const spellings = ["\u00e9", "e\u0301", "Makefile", "makefile"];
    for (const name of spellings) writeFileSync(`${directory}/${name}`, name);
    for (const name of spellings) assert.equal(readFileSync(`${directory}/${name}`, "utf8"), name);
    assert.equal(readdirSync(directory).length, spellings.length);
  },
  "a name of 255 bytes serves for a file, a directory and a symlink, one of 256 is ENAMETOOLONG": (directory) => {
    const name = (first: string, length: number): string => `${directory}/${first.padEnd(length, "n")}`;
    writeFileSync(name("f", 255), "long");
    mkdirSync(name("d", 255));
    symlinkSync("target", name("l", 255));
    assert.equal(readFileSync(name("f", 255), "utf8"), "long");
    assert.equal(lstatSync(name("d", 255)).isDirectory(), true);
    assert.equal(readlinkSync(name("l", 255)), "target");
    assert.equal(readdirSync(directory).length, 3);
    renameSync(name("f", 255), name("g", 255));
    fails("ENAMETOOLONG", () => writeFileSync(name("f", 256), ""));
    fails("ENAMETOOLONG", () => lstatSync(name("f", 256)));
    fails("ENAMETOOLONG", () => renameSync(name("g", 255), name("h", 256)));
  },
  "a symlink holds 4095 bytes of any kind": (directory) => {
    const target = Buffer.alloc(4095, 0xff);
    symlinkSync(target, `${directory}/link`);
    assert.deepEqual(readlinkSync(`${directory}/link`, { encoding: "buffer" }), target);
    assert.equal(lstatSync(`${directory}/link`).size, 4095);
  },
  "a path beyond PATH_MAX is walked step by step": (directory) => {
    const step = "step".padEnd(200, ".");
    const flags = O_PATH | O_DIRECTORY;
    const name = cstr(step);
    let at = openSync(directory, O_RDONLY);
    for (let depth = 0; depth < 40; depth += 1) {
      call("mkdirat", String(depth), libc.mkdirat, at, name, 0o755);
      const next = call("openat", String(depth), libc.openat, at, name, flags, 0);
      closeSync(at);
      at = next;
    }
    const file = call("openat", "file", libc.openat, at, cstr("file"), 0o102, 0o644);
    const text = Buffer.from("deep");
    assert.equal(call("pwrite", "file", libc.pwrite, file, text, text.length, 0), text.length);
    closeSync(file);
    const again = call("openat", "file", libc.openat, at, cstr("file"), O_RDONLY, 0);
    const buffer = Buffer.alloc(8);
    assert.equal(call("pread", "file", libc.pread, again, buffer, 8, 0), 4);
    closeSync(again);
    closeSync(at);
  },
  "a path of PATH_MAX - 1 bytes is reached in one call": async (directory) => {
    // Relative to the case's directory, so that the length of the mountpoint's own path does not count.
    await python(
      directory,
      `import os
parts = ["p" * 100] * 40
path = "/".join(parts)
os.makedirs(path)
name = path + "/" + "f" * (4095 - len(path) - 1)
assert len(name) == 4095, len(name)
open(name, "w").write("end")
assert open(name).read() == "end"
assert os.stat(name).st_size == 3
os.rename(name, name[:-1] + "g")
os.unlink(name[:-1] + "g")
`,
    );
  },
};
