// Holes, allocation and copies inside the storage.
import assert from "node:assert/strict";
import { closeSync, ftruncateSync, fstatSync, fsyncSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { SEEK_DATA, SEEK_HOLE } from "../../../src/sys/constants.ts";
import { ERRNO } from "../../../src/sys/errno.ts";
import { libc } from "../../../src/sys/libc.ts";
import { attempt, fails, fallocate, lseek, NotHere, pread, pwrite, python, type Cases } from "../calls.ts";

// <linux/falloc.h>
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const COLLAPSE_RANGE = 8;
const ZERO_RANGE = 16;
const MiB = 2 ** 20;

// A mode the storage itself lacks (tmpfs has only 0 and PUNCH_HOLE) says nothing about the mount.
function allocate(fd: number, mode: number, offset: number, length: number): void {
  const result = attempt(libc.fallocate, fd, mode, offset, length);
  if (result === -ERRNO.EOPNOTSUPP) throw new NotHere(`the storage has no fallocate mode ${mode}`);
  assert.equal(result, 0, `fallocate mode ${mode}`);
}

export const extents: Cases = {
  "SEEK_DATA and SEEK_HOLE find the data of a sparse file": (directory) => {
    const fd = openSync(`${directory}/sparse`, "w+");
    ftruncateSync(fd, 16 * MiB);
    writeSync(fd, Buffer.alloc(65_536, 1), 0, 65_536, 4 * MiB);
    assert.equal(lseek(fd, 0, SEEK_DATA), 4 * MiB);
    assert.equal(lseek(fd, 4 * MiB, SEEK_HOLE), 4 * MiB + 65_536);
    assert.equal(lseek(fd, 0, SEEK_HOLE), 0);
    fails("ENXIO", () => lseek(fd, 5 * MiB, SEEK_DATA));
    fails("ENXIO", () => lseek(fd, 16 * MiB, SEEK_HOLE));
    assert.ok(fstatSync(fd).blocks * 512 <= MiB);
    closeSync(fd);
  },
  "fallocate extends the file, or keeps its size": (directory) => {
    const fd = openSync(`${directory}/file`, "w+");
    allocate(fd, 0, 0, MiB);
    assert.equal(fstatSync(fd).size, MiB);
    assert.equal(fstatSync(fd).blocks * 512, MiB);
    allocate(fd, KEEP_SIZE, 0, 2 * MiB);
    assert.equal(fstatSync(fd).size, MiB);
    closeSync(fd);
    assert.ok(readFileSync(`${directory}/file`).every((byte) => byte === 0));
  },
  "a punched hole reads as zeroes, keeps the size and frees the blocks": (directory) => {
    const fd = openSync(`${directory}/file`, "w+");
    writeSync(fd, Buffer.alloc(MiB, 7));
    fsyncSync(fd); // a cache that writes back late allocates late
    allocate(fd, PUNCH_HOLE | KEEP_SIZE, 65_536, 2 * 65_536);
    assert.equal(fstatSync(fd).size, MiB);
    assert.equal(fstatSync(fd).blocks * 512, MiB - 2 * 65_536);
    const seen = Buffer.alloc(MiB);
    pread(fd, seen, 0);
    const want = Buffer.alloc(MiB, 7).fill(0, 65_536, 3 * 65_536);
    assert.ok(seen.equals(want));
    closeSync(fd);
  },
  "FALLOC_FL_ZERO_RANGE zeroes what was cached": (directory) => {
    const fd = openSync(`${directory}/file`, "w+");
    writeSync(fd, Buffer.alloc(MiB, 7));
    allocate(fd, ZERO_RANGE, 100, 1000);
    const seen = Buffer.alloc(MiB);
    pread(fd, seen, 0);
    assert.ok(seen.equals(Buffer.alloc(MiB, 7).fill(0, 100, 1100)));
    closeSync(fd);
  },
  "an unknown fallocate mode is EOPNOTSUPP, an empty range EINVAL": (directory) => {
    const fd = openSync(`${directory}/file`, "w+");
    fails("EINVAL", () => fallocate(fd, 0, 0, 0));
    fails("EOPNOTSUPP", () => fallocate(fd, 0x4000_0000 | COLLAPSE_RANGE, 0, 4096));
    closeSync(fd);
  },
  "copy_file_range copies what was just written, also inside one file": async (directory) => {
    await python(
      directory,
      `import os
a = os.open("a", os.O_RDWR | os.O_CREAT)
b = os.open("b", os.O_RDWR | os.O_CREAT)
text = os.urandom(300000)
os.pwrite(a, text, 0)
os.pwrite(b, b"old" * 100, 0)
done = 0
while done < len(text):
    n = os.copy_file_range(a, b, len(text) - done, done, 50 + done)
    assert n > 0
    done += n
assert os.pread(b, 400000, 0) == (b"old" * 100)[:50] + text
assert os.copy_file_range(a, a, 1000, 0, 200000) == 1000
assert os.pread(a, 1000, 200000) == text[:1000]
assert os.copy_file_range(a, b, 10, 300000, 0) == 0
`,
    );
    assert.equal(statSync(`${directory}/b`).size, 300_050);
  },
  "copy_file_range copies into a file that was opened for appending, once that is taken back": async (directory) => {
    await python(
      directory,
      `import fcntl, os
with open("from", "wb") as f: f.write(b"hello world")
a = os.open("from", os.O_RDONLY)
b = os.open("to", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(b, b"...")
try: raise SystemExit("%d bytes appended" % os.copy_file_range(a, b, 11, 0, 0))
except OSError as e: assert e.errno == 9, e
fcntl.fcntl(b, fcntl.F_SETFL, 0)
assert os.copy_file_range(a, b, 11, 0, 1) == 11
assert open("to", "rb").read() == b".hello world"
`,
    );
  },
  "cp keeps holes": async (directory) => {
    const fd = openSync(`${directory}/sparse`, "w+");
    ftruncateSync(fd, 64 * MiB);
    pwrite(fd, Buffer.from("data"), 32 * MiB);
    closeSync(fd);
    await python(
      directory,
      `import subprocess
subprocess.check_call(["cp", "--sparse=auto", "sparse", "copy"])
subprocess.check_call(["cmp", "sparse", "copy"])
`,
    );
    assert.ok(statSync(`${directory}/copy`).blocks * 512 < 2 * MiB);
  },
  "sendfile and splice move a file's content": async (directory) => {
    writeFileSync(`${directory}/from`, "0123456789".repeat(50_000));
    await python(
      directory,
      `import os
a, b = os.open("from", os.O_RDONLY), os.open("to", os.O_RDWR | os.O_CREAT)
left = 500000
while left: left -= os.sendfile(b, a, None, left)
assert os.pread(b, 500000, 0) == b"0123456789" * 50000
r, w = os.pipe()
at = 0
out = os.open("spliced", os.O_RDWR | os.O_CREAT)
while True:
    n = os.splice(a, w, 65536, offset_src=at)
    if n == 0: break
    at += n
    while n: n -= os.splice(r, out, n)
assert os.pread(out, 500000, 0) == b"0123456789" * 50000
`,
    );
  },
};
