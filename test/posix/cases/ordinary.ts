// An ordinary user's own files whose modes exclude their owner, and files below directories that were closed after an open. The server is
// that same user and may not do more than its callers: what it opens late, or opens wider than asked, is refused to it.
import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { O_CREAT, O_EXCL, O_RDWR } from "../../../src/sys/constants.ts";
import { openAt, python, type Cases } from "../calls.ts";

/** A Python prelude: what a call gives, or the name of its errno. */
const ANSWER = `import errno, os
def answer(call, *args, **named):
    try: return call(*args, **named)
    except OSError as error: return errno.errorcode[error.errno]
`;

export const ordinary: Cases = {
  "a file that may only be written takes writes inside pages, appends and truncation": async (directory) => {
    await python(
      directory,
      `import os
with open("file", "w") as f: f.write("x" * 10000)
os.chmod("file", 0o222)
fd = os.open("file", os.O_WRONLY)
assert os.pwrite(fd, b"YY", 5000) == 2
os.fsync(fd)
os.ftruncate(fd, 7000)
os.close(fd)
before = os.stat("file").st_mtime_ns
fd = os.open("file", os.O_WRONLY | os.O_APPEND)
assert os.write(fd, b"appended") == 8 and os.fstat(fd).st_size == 7008
os.close(fd)
assert os.stat("file").st_mtime_ns >= before
os.truncate("file", 7004)
with open("file", "w") as f: f.write("short")
os.chmod("file", 0o600)
assert open("file").read() == "short"
os.chmod("file", 0o222)
fd = os.open("file", os.O_WRONLY)
assert os.pwrite(fd, b"R", 2) == 1
os.chmod("file", 0o600)
assert open("file").read() == "shRrt", open("file").read()
`,
    );
  },
  "one who may only write a file and one who has it open and mapped see each other's writes": async (directory) => {
    await python(
      directory,
      `import mmap, os
with open("file", "w") as f: f.write("x" * 10000)
both = os.open("file", os.O_RDWR)
view = mmap.mmap(both, 10000)
os.pwrite(both, b"AA", 100); view[200:202] = b"MM"
os.chmod("file", 0o222)
only = os.open("file", os.O_WRONLY)
os.pwrite(only, b"BB", 300)
assert (view[300:302], os.pread(both, 2, 300)) == (b"BB", b"BB")
os.pwrite(both, b"CC", 310); os.pwrite(only, b"DD", 320)
os.fsync(only); os.close(both); os.close(only)
assert (view[310:312], view[320:322]) == (b"CC", b"DD")
view[330:332] = b"EE"
view.close()
os.chmod("file", 0o600)
text = open("file").read()
assert [text[at:at + 2] for at in (100, 200, 300, 310, 320, 330)] == ["AA", "MM", "BB", "CC", "DD", "EE"]
assert len(text) == 10000 and text.count("x") == 10000 - 12
`,
    );
  },
  "a file made with mode 0 is written, read, mapped and truncated through the descriptor that made it": async (directory) => {
    const fd = openAt(`${directory}/file`, O_CREAT | O_EXCL | O_RDWR, 0);
    closeSync(fd);
    assert.equal(statSync(`${directory}/file`).mode & 0o7777, 0);
    unlinkSync(`${directory}/file`);
    await python(
      directory,
      `import mmap, os
fd = os.open("file", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0)
os.write(fd, b"x" * 9000)
assert os.pread(fd, 3, 8000) == b"xxx"
view = mmap.mmap(fd, 9000)
view[5:7] = b"ab"
os.ftruncate(fd, 100); os.fchmod(fd, 0); os.fsync(fd); os.utime(fd, ns=(5, 6))
os.close(fd)
view[8:9] = b"c"
view.close()
os.link("file", "link"); os.rename("link", "renamed")
s = os.stat("renamed")
assert (s.st_mode & 0o7777, s.st_size, s.st_nlink) == (0, 100, 2)
os.chmod("file", 0o600)
assert open("file", "rb").read() == b"xxxxxabxc" + b"x" * 91
`,
    );
  },
  "a file stays open for all it was opened for when its mode becomes 0": async (directory) => {
    await python(
      directory,
      `import mmap, os
with open("file", "w") as f: f.write("hello" * 3000)
reader, writer = os.open("file", os.O_RDONLY), os.open("file", os.O_RDWR)
os.chmod("file", 0)
assert os.pread(reader, 5, 10000) == b"hello"
view = mmap.mmap(writer, 15000)
view[10005:10010] = b"STORE"
assert os.pwrite(writer, b"WRITE", 10000) == 5
assert os.pread(reader, 10, 10000) == b"WRITESTORE"
os.ftruncate(writer, 12000); os.fsync(writer); os.fdatasync(reader); os.utime(writer, ns=(5, 6))
assert os.fstat(reader).st_size == 12000 and os.fstat(writer).st_mtime_ns == 6
os.fchmod(reader, 0o600)
os.close(os.open("/proc/self/fd/%d" % reader, os.O_RDWR))
`,
    );
  },
  "a file open below a directory that was closed is looked at, changed and reopened through its descriptor": async (directory) => {
    await python(
      directory,
      `import os, time
os.mkdir("dir")
with open("dir/file", "w") as f: f.write("hello" * 3000)
fd, listing = os.open("dir/file", os.O_RDWR), os.open("dir", os.O_RDONLY)
os.chmod("dir", 0)
time.sleep(1.1)  # what the kernel knows of the file has expired by now
assert os.fstat(fd).st_size == 15000
os.fchmod(fd, 0o640); os.utime(fd, ns=(5, 6)); os.ftruncate(fd, 3); os.pwrite(fd, b"Z", 1); os.fsync(fd)
s = os.fstat(fd)
assert (s.st_mode & 0o777, s.st_size) == (0o640, 3), s
assert os.pread(os.open("/proc/self/fd/%d" % fd, os.O_RDWR), 5, 0) == b"hZl"
assert os.listdir(listing) == ["file"] and os.fstat(listing).st_nlink == 2
os.chmod("dir", 0o700)
`,
    );
  },
  "a file is reached by its other name when the directory of one is closed": async (directory) => {
    const orders = [
      ["closed", "open"],
      ["open", "closed"],
    ] as const;
    for (const [first, second] of orders) {
      const base = `${directory}/${first}-first`;
      mkdirSync(`${base}/closed`, { recursive: true });
      mkdirSync(`${base}/open`);
      writeFileSync(`${base}/${first}/file`, "content");
      linkSync(`${base}/${first}/file`, `${base}/${second}/file`);
      chmodSync(`${base}/closed`, 0);
    }
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // what the kernel knows of the files has expired by now
    for (const [first] of orders) {
      const base = `${directory}/${first}-first`;
      assert.equal(statSync(`${base}/open/file`).nlink, 2);
      assert.equal(readFileSync(`${base}/open/file`, "utf8"), "content");
      chmodSync(`${base}/open/file`, 0o640);
      closeSync(openSync(`${base}/open/file`, "r+"));
      unlinkSync(`${base}/open/file`);
      chmodSync(`${base}/closed`, 0o700);
      assert.equal(statSync(`${base}/closed/file`).mode & 0o777, 0o640);
    }
  },
  "work goes on in a directory below one that was closed": async (directory) => {
    await python(
      directory,
      `import os
os.makedirs("a/b")
top = os.open(".", os.O_RDONLY)
os.chdir("a/b")
open("file", "w").write("x")
os.chmod("../../a", 0)
open("new", "w").close()
os.rename("new", "renamed"); os.mkdir("sub"); open("sub/file", "w").close()
assert sorted(os.listdir(".")) == ["file", "renamed", "sub"] and os.stat("..").st_nlink == 3
assert open("file").read() == "x"
os.unlink("renamed")
os.chmod("a", 0o700, dir_fd=top)
`,
    );
  },
  "syncfs is content when the directory of a file was closed after a change": async (directory) => {
    await python(
      directory,
      `import ctypes, os
os.mkdir("dir")
with open("dir/file", "w") as f: f.write("x" * 10000)
os.link("dir/file", "dir/link"); os.rename("dir/file", "dir/renamed"); os.chmod("dir/link", 0o640)
os.chmod("dir", 0)
fd = os.open(".", os.O_RDONLY)
assert ctypes.CDLL(None).syncfs(fd) == 0
os.chmod("dir", 0o700)
`,
    );
  },
  "directories without r, without x and without either refuse what they should": async (directory) => {
    const seen = await python(
      directory,
      `${ANSWER}
if os.getuid() == 0: print("root"); raise SystemExit(0)
os.mkdir("dir"); open("dir/file", "w").write("x"); os.mkdir("dir/sub")
for mode in (0o300, 0o400, 0o500, 0o200, 0o600, 0o100, 0):
    os.chmod("dir", mode)
    print("%o" % mode, answer(lambda: sorted(os.listdir("dir"))), answer(lambda: os.stat("dir/file").st_size), answer(os.mkdir, "dir/new"),
          answer(os.rmdir, "dir/new"), answer(os.rename, "dir/file", "dir/file"), answer(os.unlink, "dir/none"), answer(os.access, "dir", os.R_OK),
          answer(lambda: sorted((e.name, e.is_dir()) for e in os.scandir("dir"))), answer(lambda: os.close(os.open("dir", os.O_PATH))))
print(answer(os.rename, "dir", "other"), answer(os.rmdir, "other"))
os.chmod("other", 0o700)
`,
    );
    if (seen === "root") return;
    const [no, kinds] = ["EACCES", "[('file', False), ('sub', True)]"];
    assert.deepEqual(seen.split("\n"), [
      `300 ${no} 1 None None None ENOENT False ${no} None`,
      `400 ['file', 'sub'] ${no} ${no} ${no} ${no} ${no} True ${kinds} None`,
      `500 ['file', 'sub'] 1 ${no} ENOENT None ENOENT True ${kinds} None`,
      `200 ${no} ${no} ${no} ${no} ${no} ${no} False ${no} None`,
      `600 ['file', 'sub'] ${no} ${no} ${no} ${no} ${no} True ${kinds} None`,
      `100 ${no} 1 ${no} ENOENT None ENOENT False ${no} None`,
      `0 ${no} ${no} ${no} ${no} ${no} ${no} False ${no} None`,
      "None ENOTEMPTY",
    ]);
  },
  "a program that may be executed and not read runs": async (directory) => {
    copyFileSync("/bin/true", `${directory}/program`);
    chmodSync(`${directory}/program`, 0o111);
    await python(directory, `import subprocess\nassert subprocess.call(["./program"]) == 0`);
  },
  "chown to nobody new takes the set-ID bits": async (directory) => {
    await python(
      directory,
      `import os
open("file", "w").close()
os.chmod("file", 0o6777)
os.chown("file", -1, -1)
assert os.stat("file").st_mode & 0o7777 == 0o777, oct(os.stat("file").st_mode)
os.chmod("file", 0o6777)
os.chown("file", os.getuid(), os.getgid())
assert os.stat("file").st_mode & 0o7777 == 0o777, oct(os.stat("file").st_mode)
`,
    );
  },
};
