// Hard links share everything, page cache included; symlinks; O_TMPFILE files that get a name later.
import assert from "node:assert/strict";
import {
  closeSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { fails, mmapShared, pwrite, python, type Cases } from "../calls.ts";

export const links: Cases = {
  "hard links share inode number, mode, size, times and link count": (directory) => {
    writeFileSync(`${directory}/a`, "content");
    mkdirSync(`${directory}/sub`);
    linkSync(`${directory}/a`, `${directory}/sub/b`);
    chmodSync(`${directory}/sub/b`, 0o604);
    const [a, b] = [statSync(`${directory}/a`, { bigint: true }), statSync(`${directory}/sub/b`, { bigint: true })];
    assert.deepEqual([a.ino, a.mode, a.size, a.mtimeNs, a.ctimeNs, a.nlink], [b.ino, b.mode, b.size, b.mtimeNs, b.ctimeNs, 2n]);
    unlinkSync(`${directory}/a`);
    assert.equal(statSync(`${directory}/sub/b`).nlink, 1);
    assert.equal(readFileSync(`${directory}/sub/b`, "utf8"), "content");
  },
  "what is written through one hard link is read at once through the other, mapped or not": (directory) => {
    writeFileSync(`${directory}/a`, "a".repeat(8192));
    linkSync(`${directory}/a`, `${directory}/b`);
    const [a, b] = [openSync(`${directory}/a`, "r+"), openSync(`${directory}/b`, "r+")];
    const view = mmapShared(b, 8192);
    assert.equal(view[0], 0x61);
    pwrite(a, Buffer.from("Z"), 4096);
    assert.equal(view[4096], 0x5a);
    view[4097] = 0x59;
    assert.equal(readFileSync(`${directory}/a`, "latin1").slice(4096, 4099), "ZYa");
    closeSync(a);
    closeSync(b);
  },
  "1,000 hard links to one file count as 1,000": (directory) => {
    writeFileSync(`${directory}/0`, "x");
    for (let index = 1; index < 1_000; index += 1) linkSync(`${directory}/0`, `${directory}/${index}`);
    assert.equal(statSync(`${directory}/500`).nlink, 1_000);
    for (let index = 0; index < 999; index += 1) unlinkSync(`${directory}/${index}`);
    assert.equal(statSync(`${directory}/999`).nlink, 1);
  },
  "a hard link to a symlink is a symlink, to a directory EPERM, over a name EEXIST": (directory) => {
    symlinkSync("nowhere", `${directory}/link`);
    linkSync(`${directory}/link`, `${directory}/second`);
    assert.equal(readlinkSync(`${directory}/second`), "nowhere");
    assert.equal(lstatSync(`${directory}/second`).nlink, 2);
    fails("EPERM", () => linkSync(directory, `${directory}/dir`));
    fails("EEXIST", () => linkSync(`${directory}/link`, `${directory}/second`));
  },
  "a symlink keeps its text, its length is its size, and replacing it is seen": (directory) => {
    writeFileSync(`${directory}/one`, "1");
    writeFileSync(`${directory}/two`, "2");
    for (let round = 0; round < 50; round += 1) {
      symlinkSync(round % 2 === 0 ? "one" : "two", `${directory}/link`);
      assert.equal(readFileSync(`${directory}/link`, "utf8"), round % 2 === 0 ? "1" : "2");
      assert.equal(lstatSync(`${directory}/link`).size, 3);
      unlinkSync(`${directory}/link`);
    }
    symlinkSync("link", `${directory}/link`);
    fails("ELOOP", () => readFileSync(`${directory}/link`));
  },
  "a symlink that a rename replaces keeps its text for whoever is about to follow it": async (directory) => {
    await python(
      directory,
      `import os, time
def swap(n):
    os.symlink(str(n % 2), "next"); os.rename("next", "link")
for n in range(2): open(str(n), "w").write(str(n))
swap(0)
held = os.open("link", os.O_PATH | os.O_NOFOLLOW)
swap(1)
assert os.readlink("", dir_fd=held) == "0"
end = time.monotonic() + 1
child = os.fork()
if child == 0:
    n = 0
    while time.monotonic() < end: swap(n); n += 1
    os._exit(0)
while time.monotonic() < end:
    assert os.readlink("link") in "01"
    assert open("link").read() in "01"
assert os.waitpid(child, 0)[1] == 0
`,
    );
  },
  "an O_TMPFILE file has no name until linkat gives it one": async (directory) => {
    const program = (flags: string): string => `import os
fd = os.open(".", os.O_TMPFILE | os.O_RDWR${flags}, 0o640)
os.umask(0)
assert os.listdir(".") == []
os.write(fd, b"made whole")
assert os.fstat(fd).st_nlink == 0
os.link("/proc/self/fd/%d" % fd, "file", src_dir_fd=os.open("/", 0), follow_symlinks=True)
assert os.fstat(fd).st_nlink == 1
assert open("file").read() == "made whole"
assert os.stat("file").st_ino == os.fstat(fd).st_ino
os.write(fd, b"+")
assert os.stat("file").st_size == 11
os.unlink("file")
`;
    await python(directory, program(""));
    await python(
      directory,
      `${program(" | os.O_EXCL").split("os.link")[0]}
try:
    os.link("/proc/self/fd/%d" % fd, "file", src_dir_fd=os.open("/", 0), follow_symlinks=True)
    raise SystemExit("linked in spite of O_EXCL")
except FileNotFoundError: pass
`,
    );
  },
};
