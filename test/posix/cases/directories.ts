// Listing: complete, without doubles, also while the directory changes; positions can be returned to.
import assert from "node:assert/strict";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dialogue, fails, python, type Cases } from "../calls.ts";

export const directories: Cases = {
  "100,000 entries are listed once each while others come and go": async (directory) => {
    const many = 100_000;
    for (let index = 0; index < many; index += 1) closeSync(openSync(`${directory}/stay-${index}`, "wx"));
    const churn = dialogue(
      directory,
      `import os, sys, threading
stop = threading.Event()
def work():
    n = 0
    while not stop.is_set():
        open("go-%d" % n, "w").close()
        if n >= 50: os.unlink("go-%d" % (n - 50))
        n += 1
t = threading.Thread(target=work)
t.start()
print("started")
sys.stdin.readline()
stop.set()
t.join()
`,
    );
    await churn.line();
    const names = readdirSync(directory);
    churn.say("stop");
    await churn.end();
    const seen = new Set(names);
    assert.equal(seen.size, names.length, "a name was listed twice");
    for (let index = 0; index < many; index += 1) assert.ok(seen.has(`stay-${index}`), `stay-${index} was not listed`);
  },
  "entries that are removed while they are listed do not hide others": async (directory) => {
    for (let index = 0; index < 5_000; index += 1) writeFileSync(`${directory}/${index}`, "");
    const out = await python(
      directory,
      `import os
seen = []
with os.scandir(".") as entries:
    for n, entry in enumerate(entries):
        seen.append(entry.name)
        os.unlink(entry.name)
print(len(seen), len(set(seen)), len(os.listdir(".")))
`,
    );
    assert.equal(out, "5000 5000 0");
  },
  "what is created after rewinddir is listed": async (directory) => {
    writeFileSync(`${directory}/first`, "");
    const out = await python(
      directory,
      `${C_DIRECTORY}
d = c.opendir(b".")
print(len(list(names(d))))
open("second", "w").close()
c.rewinddir(d)
print(len(list(names(d))))
`,
    );
    assert.deepEqual(out.split("\n"), ["3", "4"]);
  },
  "telldir and seekdir return to the same entry": async (directory) => {
    for (let index = 0; index < 1_000; index += 1) writeFileSync(`${directory}/${index}`, "");
    await python(
      directory,
      `${C_DIRECTORY}
d = c.opendir(b".")
order, places = [], []
while True:
    places.append(c.telldir(d))
    name = one(d)
    if name is None: break
    order.append(name)
assert len(order) == 1002, len(order)
for at in (0, 1, 7, 400, 999, 1001, 3):
    c.seekdir(d, places[at])
    assert one(d) == order[at], at
c.seekdir(d, places[500])
assert list(names(d)) == order[500:]
`,
    );
  },
  "an entry's d_type and d_ino are those of lstat, '.' and '..' included": async (directory) => {
    mkdirSync(`${directory}/sub`);
    writeFileSync(`${directory}/sub/file`, "");
    await python(
      `${directory}/sub`,
      `import os
os.symlink("x", "link"); os.mkfifo("fifo"); os.mkdir("dir")
for e in os.scandir("."):
    s = e.stat(follow_symlinks=False)
    assert e.inode() == s.st_ino, (e.name, e.inode(), s.st_ino)
    assert e.is_symlink() == (e.name == "link") and e.is_dir(follow_symlinks=False) == (e.name == "dir")
`,
    );
    await python(
      `${directory}/sub`,
      `${C_DIRECTORY}
d = c.opendir(b".")
found = {}
while True:
    e = c.readdir(d)
    if not e: break
    found[e.contents.name] = e.contents.ino
assert found[b"."] == os.stat(".").st_ino, (found, os.stat("."))
assert found[b".."] == os.stat("..").st_ino, (found, os.stat(".."))
`,
    );
  },
  "a directory's st_nlink counts its subdirectories and its mtime moves with its entries": (directory) => {
    assert.equal(statSync(directory).nlink, 2);
    mkdirSync(`${directory}/a`);
    mkdirSync(`${directory}/b`);
    assert.equal(statSync(directory).nlink, 4);
    const before = statSync(directory, { bigint: true }).mtimeNs;
    renameSync(`${directory}/b`, `${directory}/c`);
    assert.ok(statSync(directory, { bigint: true }).mtimeNs >= before);
    rmdirSync(`${directory}/c`);
    assert.equal(statSync(directory).nlink, 3);
  },
  "a removed directory that is open lists nothing and takes no new entry": async (directory) => {
    mkdirSync(`${directory}/gone`);
    await python(
      directory,
      `import os
fd = os.open("gone", os.O_RDONLY)
os.rmdir("gone")
assert os.fstat(fd).st_nlink == 0
assert os.listdir(fd) == []
try:
    os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    raise SystemExit("created")
except FileNotFoundError: pass
`,
    );
  },
  "a directory that is not empty is neither removed nor replaced": (directory) => {
    mkdirSync(`${directory}/full`);
    writeFileSync(`${directory}/full/file`, "");
    mkdirSync(`${directory}/other`);
    fails("ENOTEMPTY", () => rmdirSync(`${directory}/full`));
    fails("ENOTEMPTY", () => renameSync(`${directory}/other`, `${directory}/full`));
    fails("EINVAL", () => renameSync(`${directory}/full`, `${directory}/full/below`));
    fails("ENOTDIR", () => rmdirSync(`${directory}/full/file`));
    fails("EISDIR", () => unlinkSync(`${directory}/full`));
    assert.equal(lstatSync(`${directory}/full/file`).size, 0);
  },
  "a name that was looked for in vain is found as soon as another process made it": async (directory) => {
    for (let round = 0; round < 20; round += 1) {
      fails("ENOENT", () => lstatSync(`${directory}/new-${round}`));
      await python(directory, `open("new-${round}", "w").close()`);
      assert.equal(lstatSync(`${directory}/new-${round}`).size, 0);
    }
  },
  "a working directory survives the rename of its parents": async (directory) => {
    mkdirSync(`${directory}/a/b/c`, { recursive: true });
    await python(
      `${directory}/a/b/c`,
      `import os
os.rename("../../../a", "../../../z")
assert os.getcwd().endswith("/z/b/c"), os.getcwd()
open("here", "w").write("x")
assert os.path.exists("../../../z/b/c/here")
os.rename("../c", "../../d")
assert os.listdir(".") == ["here"] and os.listdir("../") != []
assert os.getcwd().endswith("/z/d"), os.getcwd()
`,
    );
  },
};

// readdir(3) and its kin, which Python's os module hides.
const C_DIRECTORY = `import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
class dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("len", ctypes.c_uint16), ("type", ctypes.c_uint8), ("name", ctypes.c_char * 256)]
c.opendir.restype = ctypes.c_void_p
c.opendir.argtypes = [ctypes.c_char_p]
c.readdir.restype = ctypes.POINTER(dirent)
c.readdir.argtypes = c.rewinddir.argtypes = c.telldir.argtypes = [ctypes.c_void_p]
c.telldir.restype = ctypes.c_long
c.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
def one(d):
    e = c.readdir(d)
    return e.contents.name if e else None
def names(d):
    while True:
        name = one(d)
        if name is None: return
        yield name
`;
