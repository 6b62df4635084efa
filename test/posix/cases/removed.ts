// A file that is unlinked or replaced while open lives on in its descriptors, with everything that can be done to it.
import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { futimens, pread, pwrite, python, type Cases } from "../calls.ts";

const text = (fd: number, length: number): string => {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, pread(fd, buffer, 0)).toString();
};

export const removed: Cases = {
  "an unlinked open file is still read, written, truncated, chmodded and dated": (directory) => {
    const file = `${directory}/file`;
    writeFileSync(file, "before");
    const fd = openSync(file, "r+");
    unlinkSync(file);
    assert.equal(fstatSync(fd).nlink, 0);
    assert.equal(text(fd, 100), "before");
    writeSync(fd, "AFTER+", 0);
    assert.equal(text(fd, 100), "AFTER+");
    ftruncateSync(fd, 3);
    assert.equal(fstatSync(fd).size, 3);
    fchmodSync(fd, 0o640);
    assert.equal(fstatSync(fd).mode & 0o7777, 0o640);
    futimens(fd, 1_000_000_001n, 2_000_000_002n);
    assert.deepEqual([fstatSync(fd, { bigint: true }).atimeNs, fstatSync(fd, { bigint: true }).mtimeNs], [1_000_000_001n, 2_000_000_002n]);
    assert.equal(existsSync(file), false);
    assert.deepEqual(readdirSync(directory), [], "a hidden file was left in its place");
    closeSync(fd);
  },
  "hundreds of unlinked and replaced files are still read, written and told apart": async (directory) => {
    await python(
      directory,
      `import os
count = 600
files = [os.open("f%d" % n, os.O_CREAT | os.O_RDWR | os.O_DSYNC) for n in range(count)]
try: files += [os.open(".", os.O_TMPFILE | os.O_RDWR) for n in range(count)]
except OSError: pass # not on every filesystem
for n in range(count):
    if n % 3 == 0: os.unlink("f%d" % n)
    elif n % 3 == 1: open("new", "w").write("another"); os.rename("new", "f%d" % n)
    else: os.link("f%d" % n, "second"); os.unlink("f%d" % n); os.unlink("second")
for n, fd in enumerate(files): os.pwrite(fd, b"%d" % n, 0)
for n, fd in enumerate(files):
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    assert os.pread(fd, 100, 0) == b"%d" % n
    assert os.fstat(fd).st_nlink == 0
    assert not os.path.exists("f%d" % n) or open("f%d" % n).read() == "another"
`,
    );
  },
  "an unlinked file opened twice is one file": (directory) => {
    const file = `${directory}/file`;
    writeFileSync(file, "x");
    const [a, b] = [openSync(file, "r+"), openSync(file, "r+")];
    unlinkSync(file);
    pwrite(a, Buffer.from("from a"), 0);
    assert.equal(text(b, 100), "from a");
    ftruncateSync(b, 2);
    assert.equal(text(a, 100), "fr");
    closeSync(a);
    assert.equal(text(b, 100), "fr");
    closeSync(b);
  },
  "a name given anew after unlink is another file": (directory) => {
    const file = `${directory}/file`;
    writeFileSync(file, "old");
    const fd = openSync(file, "r");
    unlinkSync(file);
    writeFileSync(file, "brand new");
    assert.equal(text(fd, 100), "old");
    assert.equal(fstatSync(fd).nlink, 0);
    assert.equal(readFileSync(file, "utf8"), "brand new");
    closeSync(fd);
  },
  "rename over an open file keeps the old data readable and shows the new by name": (directory) => {
    const file = `${directory}/config`;
    for (let round = 0; round < 100; round += 1) {
      writeFileSync(file, `old ${round}`);
      const fd = openSync(file, "r+");
      writeFileSync(`${file}.tmp`, `new ${round} is longer`);
      renameSync(`${file}.tmp`, file);
      assert.equal(text(fd, 100), `old ${round}`);
      assert.equal(fstatSync(fd).nlink, 0);
      assert.equal(readFileSync(file, "utf8"), `new ${round} is longer`);
      pwrite(fd, Buffer.from("OLD"), 0);
      assert.equal(readFileSync(file, "utf8"), `new ${round} is longer`);
      closeSync(fd);
    }
    assert.deepEqual(readdirSync(directory), ["config"]);
  },
  "an open file follows its rename into another directory": (directory) => {
    mkdirSync(`${directory}/sub`);
    writeFileSync(`${directory}/file`, "here");
    const fd = openSync(`${directory}/file`, "r+");
    renameSync(`${directory}/file`, `${directory}/sub/moved`);
    writeSync(fd, "HERE", 0);
    ftruncateSync(fd, 2);
    fchmodSync(fd, 0o600);
    assert.equal(readFileSync(`${directory}/sub/moved`, "utf8"), "HE");
    assert.equal(fstatSync(fd).mode & 0o777, 0o600);
    closeSync(fd);
  },
  "a reader never sees a half-written file that is replaced by rename": async (directory) => {
    writeFileSync(`${directory}/config`, "0".repeat(5_000));
    const writer = python(
      directory,
      `import os
for n in range(1, 300):
    with open("config.tmp", "w") as f: f.write(str(n % 10) * (5000 + n))
    os.rename("config.tmp", "config")
`,
    );
    let over = false;
    const end = writer.finally(() => (over = true));
    let reads = 0;
    while (!over) {
      const seen = readFileSync(`${directory}/config`, "utf8");
      assert.match(seen, /^(\d)\1{4999,}$/, "mixed or cut content");
      reads += 1;
      if (reads % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await end;
    assert.equal(readFileSync(`${directory}/config`, "utf8").length, 5_299);
  },
  "an unlinked file is linked back by another name only if it was never at zero links": async (directory) => {
    await python(
      directory,
      `import os
fd = os.open("file", os.O_RDWR | os.O_CREAT)
os.link("file", "second")
os.unlink("file")
assert os.fstat(fd).st_nlink == 1
os.link("/proc/self/fd/%d" % fd, "third", src_dir_fd=os.open("/", 0), follow_symlinks=True)
assert os.fstat(fd).st_nlink == 2
os.unlink("second"); os.unlink("third")
try:
    os.link("/proc/self/fd/%d" % fd, "fourth", src_dir_fd=os.open("/", 0), follow_symlinks=True)
    raise SystemExit("linked")
except FileNotFoundError: pass
`,
    );
  },
};
