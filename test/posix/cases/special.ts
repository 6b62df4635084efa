// Fifos, sockets, device nodes, statfs, inotify, syncfs: what is neither content nor name.
import assert from "node:assert/strict";
import { lstatSync, mkdirSync, statSync, statfsSync, writeFileSync } from "node:fs";
import { getuid } from "node:process";
import { fails, NotHere, python, type Cases } from "../calls.ts";

export const special: Cases = {
  "a fifo carries bytes between two processes": async (directory) => {
    await python(directory, `import os\nos.mkfifo("fifo", 0o600)`);
    assert.equal(lstatSync(`${directory}/fifo`).isFIFO(), true);
    const writer = python(directory, `open("fifo", "w").write("through")`);
    assert.equal(await python(directory, `print(open("fifo").read())`), "through");
    await writer;
  },
  "a unix socket is bound, connected to and removed here": async (directory) => {
    await python(
      directory,
      `import os, socket, stat
s = socket.socket(socket.AF_UNIX); s.bind("sock"); s.listen()
assert stat.S_ISSOCK(os.lstat("sock").st_mode)
c = socket.socket(socket.AF_UNIX); c.connect("sock")
p, _ = s.accept(); p.send(b"hello")
assert c.recv(10) == b"hello"
os.rename("sock", "renamed")
d = socket.socket(socket.AF_UNIX); d.connect("renamed")
os.unlink("renamed")
`,
    );
  },
  "a device node keeps its numbers": async (directory) => {
    if (getuid?.() !== 0) throw new NotHere("only root may make device nodes");
    await python(
      directory,
      `import os, stat
for kind in (stat.S_IFCHR, stat.S_IFBLK):
    os.mknod("dev%d" % kind, kind | 0o600, os.makedev(259, 70000))
    assert os.stat("dev%d" % kind).st_rdev == os.makedev(259, 70000)
    assert stat.S_IFMT(os.stat("dev%d" % kind).st_mode) == kind
`,
    );
  },
  "statfs gives block and file counts that make sense": (directory) => {
    const before = statfsSync(directory);
    assert.ok(before.bsize >= 512 && before.blocks > 0 && before.bfree <= before.blocks && before.bavail <= before.bfree);
    mkdirSync(`${directory}/sub`);
    writeFileSync(`${directory}/sub/file`, Buffer.alloc(4 * 2 ** 20, 1));
    assert.equal(statfsSync(`${directory}/sub/file`).blocks, before.blocks);
    assert.equal(statfsSync(`${directory}/sub`).bsize, before.bsize);
  },
  "st_blksize, st_blocks and st_dev are those of a file on one filesystem": async (directory) => {
    writeFileSync(`${directory}/file`, Buffer.alloc(1_000_000, 1));
    mkdirSync(`${directory}/sub`);
    // Written back first: a storage that allocates late counts blocks late.
    await python(directory, `import os\nfd = os.open("file", os.O_RDWR); os.fsync(fd)`);
    const stat = statSync(`${directory}/file`);
    assert.ok(stat.blksize >= 512 && stat.blksize <= 2 ** 22);
    assert.ok(stat.blocks * 512 >= 999_424 && stat.blocks * 512 <= 1_200_000, String(stat.blocks));
    assert.equal(statSync(`${directory}/sub`).dev, stat.dev);
  },
  "inotify tells of what happens through this directory": async (directory) => {
    const out = await python(
      directory,
      `import ctypes, os, struct
c = ctypes.CDLL(None)
fd = c.inotify_init1(os.O_NONBLOCK)
assert c.inotify_add_watch(fd, b".", 0x100 | 0x200 | 0x40 | 0x80 | 0x8) >= 0
with open("new", "w") as f: f.write("x")
os.rename("new", "renamed")
os.unlink("renamed")
data, names = os.read(fd, 65536), []
while data:
    _, mask, _, length = struct.unpack("iIII", data[:16])
    names.append("%x:%s" % (mask, data[16:16 + length].rstrip(b"\\0").decode()))
    data = data[16 + length:]
print(" ".join(names))
`,
    );
    assert.equal(out, "100:new 8:new 40:new 80:renamed 200:renamed");
  },
  "fsync, fdatasync, sync_file_range, syncfs and fsync of a directory succeed": async (directory) => {
    await python(
      directory,
      `import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
fd = os.open("file", os.O_RDWR | os.O_CREAT)
os.write(fd, b"x" * 100000)
os.fsync(fd); os.fdatasync(fd)
os.write(fd, b"x" * 100000)
assert c.sync_file_range(fd, ctypes.c_int64(0), ctypes.c_int64(0), 7) == 0
assert c.syncfs(fd) == 0
d = os.open(".", os.O_RDONLY)
os.fsync(d); os.fdatasync(d)
ro = os.open("file", os.O_RDONLY)
os.fsync(ro)
`,
    );
  },
  "a name in a missing directory is ENOENT, below a file ENOTDIR": (directory) => {
    writeFileSync(`${directory}/file`, "");
    fails("ENOENT", () => writeFileSync(`${directory}/none/file`, ""));
    fails("ENOTDIR", () => mkdirSync(`${directory}/file/sub`));
    fails("EEXIST", () => mkdirSync(`${directory}/file`));
  },
};
