// Memory maps: shared between processes and with read and write, executable, and never a SIGBUS inside the file.
import assert from "node:assert/strict";
import { copyFileSync, closeSync, openSync, readFileSync, writeFileSync, chmodSync, ftruncateSync } from "node:fs";
import { dialogue, mmapShared, pread, pwrite, python, type Cases } from "../calls.ts";

export const mapping: Cases = {
  "two processes share a mapping: what one stores the other loads": async (directory) => {
    writeFileSync(`${directory}/map`, Buffer.alloc(65_536));
    const other = dialogue(
      directory,
      `import mmap, os, sys
fd = os.open("map", os.O_RDWR)
m = mmap.mmap(fd, 65536)
print("ready")
for line in sys.stdin:
    at, value = map(int, line.split())
    assert m[at] == value, (at, m[at], value)
    m[at + 1] = value ^ 255
    print("done")
`,
    );
    assert.equal(await other.line(), "ready");
    const fd = openSync(`${directory}/map`, "r+");
    const view = mmapShared(fd, 65_536);
    for (let at = 0; at < 65_536; at += 1_021) {
      view[at] = at % 251;
      other.say(`${at} ${at % 251}`);
      assert.equal(await other.line(), "done");
      assert.equal(view[at + 1], (at % 251) ^ 255);
    }
    await other.end();
    closeSync(fd);
  },
  "a mapping and read/write see each other": (directory) => {
    writeFileSync(`${directory}/map`, Buffer.alloc(16_384, "."));
    const fd = openSync(`${directory}/map`, "r+");
    const view = mmapShared(fd, 16_384);
    pwrite(fd, Buffer.from("write"), 5_000);
    assert.equal(view.toString("latin1", 5_000, 5_005), "write");
    view.write("store", 9_000, "latin1");
    const seen = Buffer.alloc(5);
    pread(fd, seen, 9_000);
    assert.equal(seen.toString(), "store");
    assert.equal(readFileSync(`${directory}/map`, "latin1").slice(9_000, 9_005), "store");
    closeSync(fd);
  },
  "what is stored in a mapping of a sparse file is no hole, and copied by cp and tar": async (directory) => {
    await python(
      directory,
      `import mmap, os, subprocess
for mode in (0o644, 0o4755):
    fd = os.open("sparse%o" % mode, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.fchmod(fd, mode)
    os.write(fd, b"start"); os.fsync(fd) # tar -S believes st_blocks if it is 0
    os.ftruncate(fd, 1 << 20)
    with mmap.mmap(fd, 1 << 20) as view:
        view[1 << 19:(1 << 19) + 5] = b"hello"
        assert os.lseek(fd, 0, os.SEEK_DATA) <= 1 << 19
        for copy in ("cp --sparse=auto %s copy", "rm -f copy; tar -Scf archive %s && tar -xOf archive > copy"):
            subprocess.check_call(copy.replace("%s", "sparse%o" % mode), shell=True)
            assert open("copy", "rb").read() == view[:], copy
    os.close(fd)
`,
    );
  },
  "what is stored in a mapping stays at its place while the file is open for appending": async (directory) => {
    await python(
      directory,
      `import mmap, os
with open("file", "w") as f: f.write("x" * 20000)
append = os.open("file", os.O_RDWR | os.O_APPEND)
view = mmap.mmap(append, 20000)
for n in range(5):
    view[n * 4096:n * 4096 + 4] = b"page"
    view.flush()
    os.write(append, b"end")
    view[n * 4096 + 8:n * 4096 + 12] = b"more"
os.close(append); view.close()
text = open("file").read()
assert len(text) == 20015, len(text)
assert all(text[n * 4096:n * 4096 + 12] == "pagexxxxmore" for n in range(5)) and text[20000:] == "end" * 5
`,
    );
  },
  "what was stored in a mapping is in the file after munmap and close": async (directory) => {
    writeFileSync(`${directory}/map`, Buffer.alloc(1_000_000));
    await python(
      directory,
      `import mmap, os
fd = os.open("map", os.O_RDWR)
m = mmap.mmap(fd, 1000000)
os.close(fd)
for n in range(0, 1000000, 4096): m[n:n + 4] = b"%04d" % (n // 4096 % 10000)
m.close()
`,
    );
    const all = readFileSync(`${directory}/map`);
    for (let at = 0; at < 1_000_000; at += 4_096) assert.equal(all.toString("latin1", at, at + 4), String(at / 4_096).padStart(4, "0"));
  },
  // bindfs issue 159: partial attributes from a listing made the kernel believe in size 0.
  "no SIGBUS: open, map, close, list the parent, touch a page": async (directory) => {
    const program = `import mmap, os, sys
for n in range(20):
    name = "lib%d.so" % n
    if sys.argv[1] == "make":
        with open(name, "wb") as f: f.write(os.urandom(40000))
    fd = os.open(name, os.O_RDONLY)
    m = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    os.close(fd)
    os.listdir(".")
    [e.stat() for e in os.scandir(".")]
    assert len(m[0:40000:4096]) == 10
    os.listdir(".")
    assert m[39999] >= 0
`;
    await python(directory, program, "make");
    await python(directory, program, "again");
  },
  "no SIGBUS in a growing file that another process lists": async (directory) => {
    const lister = dialogue(
      directory,
      `import os, sys, select
print("on")
while not select.select([sys.stdin], [], [], 0)[0]:
    [e.stat() for e in os.scandir(".")]
`,
    );
    await lister.line();
    await python(
      directory,
      `import mmap, os
fd = os.open("grow", os.O_RDWR | os.O_CREAT)
for n in range(1, 300):
    os.ftruncate(fd, n * 4096)
    m = mmap.mmap(fd, n * 4096)
    m[n * 4096 - 1] = n % 256
    m[0] = n % 256
    m.close()
assert os.stat("grow").st_size == 299 * 4096
assert os.pread(fd, 1, 298 * 4096 - 1) == bytes([298 % 256])
`,
    );
    lister.say("");
    await lister.end();
  },
  "a page beyond the end of a file that was cut is SIGBUS, and zeroes again when it is extended": async (directory) => {
    writeFileSync(`${directory}/map`, Buffer.alloc(16_384, 1));
    await assert.rejects(
      python(
        directory,
        `import mmap, os
fd = os.open("map", os.O_RDWR)
m = mmap.mmap(fd, 16384)
assert m[9000] == 1
os.ftruncate(fd, 4096)
m[9000]
`,
      ),
      /SIGBUS/,
    );
    const fd = openSync(`${directory}/map`, "r+");
    const view = mmapShared(fd, 16_384);
    ftruncateSync(fd, 16_384);
    assert.deepEqual([view[0], view[4_095], view[4_096], view[9_000]], [1, 1, 0, 0]);
    closeSync(fd);
  },
  "a program runs from here and its text cannot be written meanwhile": async (directory) => {
    copyFileSync("/bin/sleep", `${directory}/sleep`);
    chmodSync(`${directory}/sleep`, 0o755);
    await python(
      directory,
      `import os, subprocess, errno
p = subprocess.Popen(["./sleep", "30"])
try:
    try:
        os.open("sleep", os.O_WRONLY)
        raise SystemExit("written")
    except OSError as e: assert e.errno == errno.ETXTBSY, e
finally:
    p.kill(); p.wait()
assert subprocess.call(["./sleep", "0"]) == 0
`,
    );
  },
  "a private mapping keeps its stores to itself": async (directory) => {
    writeFileSync(`${directory}/map`, "original");
    await python(
      directory,
      `import mmap, os
fd = os.open("map", os.O_RDONLY)
m = mmap.mmap(fd, 8, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
m[0:4] = b"mine"
assert open("map").read() == "original"
`,
    );
  },
};
