// Who may do what: umask, set-group-ID inheritance, sticky directories, mode bits, owners.
import assert from "node:assert/strict";
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, statSync, writeFileSync, writeSync, accessSync, constants } from "node:fs";
import { getuid } from "node:process";
import { O_CREAT, O_EXCL, O_WRONLY } from "../../../src/sys/constants.ts";
import { fails, NotHere, openAt, python, type Cases } from "../calls.ts";

const mode = (path: string): number => statSync(path).mode & 0o7777;
const asRoot = (): void => {
  if (getuid?.() !== 0) throw new NotHere("only root may act for other users");
};

/** A Python prelude: `as_user(uid, gid, groups, f)` runs f in a child with these identities and gives its errno, 0 for none. */
const AS_USER = `import os, errno
def as_user(uid, gid, groups, f):
    pid = os.fork()
    if pid == 0:
        os.setgroups(groups); os.setresgid(gid, gid, gid); os.setresuid(uid, uid, uid)
        try: f()
        except OSError as e: os._exit(e.errno)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
`;

/** A Python prelude: `create(name, mode)` gives a file open for reading and writing; `check(files)` writes and reads each by its own content. */
const HELD = `import mmap, os
COUNT = 600
def create(name, mode): return os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_DIRECT, mode)
page = mmap.mmap(-1, 4096)
rounds = 0
def check(files):
    global rounds
    rounds += 1
    for n, fd in enumerate(files):
        page[:] = (b"%d %d " % (rounds, n)).ljust(4096, b"x")
        assert os.pwrite(fd, page, 0) == 4096
    for n, fd in enumerate(files):
        assert os.preadv(fd, [page], 0) == 4096 and page[:].startswith(b"%d %d " % (rounds, n)), n
        os.ftruncate(fd, 5000)
        assert os.fstat(fd).st_size == 5000
        os.fsync(fd)
`;

export const modes: Cases = {
  "the umask takes bits from files, directories, fifos and O_TMPFILE files": async (directory) => {
    await python(
      directory,
      `import os
for mask in (0, 0o022, 0o077, 0o777):
    os.umask(mask)
    os.close(os.open("f%o" % mask, os.O_CREAT | os.O_WRONLY, 0o666))
    os.mkdir("d%o" % mask, 0o777)
    os.mkfifo("p%o" % mask, 0o666)
    assert os.stat("f%o" % mask).st_mode & 0o7777 == 0o666 & ~mask
    assert os.stat("d%o" % mask).st_mode & 0o7777 == 0o777 & ~mask
    assert os.stat("p%o" % mask).st_mode & 0o7777 == 0o666 & ~mask
    fd = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o666)
    assert os.fstat(fd).st_mode & 0o7777 == 0o666 & ~mask
`,
    );
  },
  "a set-group-ID directory hands its group and the bit down": (directory) => {
    asRoot();
    mkdirSync(`${directory}/team`);
    chownSync(`${directory}/team`, 0, 4711);
    chmodSync(`${directory}/team`, 0o2775);
    mkdirSync(`${directory}/team/sub`);
    writeFileSync(`${directory}/team/sub/file`, "");
    assert.equal(mode(`${directory}/team/sub`) & 0o2000, 0o2000);
    assert.deepEqual([statSync(`${directory}/team/sub`).gid, statSync(`${directory}/team/sub/file`).gid], [4711, 4711]);
  },
  "set-ID bits are set by chmod and taken by a write of someone else": async (directory) => {
    asRoot();
    const file = `${directory}/file`;
    writeFileSync(file, "x");
    for (const bits of [0o4755, 0o2755, 0o1755, 0o7777, 0o644]) {
      chmodSync(file, bits);
      assert.equal(mode(file), bits);
    }
    chmodSync(directory, 0o777);
    chmodSync(file, 0o6777);
    await python(
      directory,
      `${AS_USER}
def write():
    fd = os.open("file", os.O_WRONLY); os.write(fd, b"y")
assert as_user(4712, 4712, [], write) == 0
assert os.stat("file").st_mode & 0o7777 == 0o777, oct(os.stat("file").st_mode)
os.chmod("file", 0o6777)
assert as_user(4712, 4712, [], lambda: os.truncate("file", 0)) == 0
assert os.stat("file").st_mode & 0o7777 == 0o777, oct(os.stat("file").st_mode)
`,
    );
  },
  "a set-ID bit is gone after chown": (directory) => {
    asRoot();
    writeFileSync(`${directory}/file`, "x");
    chmodSync(`${directory}/file`, 0o6755);
    chownSync(`${directory}/file`, 4712, 4712);
    assert.equal(mode(`${directory}/file`), 0o755);
    assert.deepEqual([statSync(`${directory}/file`).uid, statSync(`${directory}/file`).gid], [4712, 4712]);
  },
  "what another user creates is that user's, in the group the user acts with": async (directory) => {
    asRoot();
    chmodSync(directory, 0o1777);
    await python(
      directory,
      `${AS_USER}
def create():
    os.umask(0)
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o644)); os.mkdir("dir"); os.symlink("x", "link"); os.mkfifo("fifo")
    os.close(os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o600))
assert as_user(4712, 4713, [4714], create) == 0
for name in ("file", "dir", "link", "fifo"):
    s = os.lstat(name)
    assert (s.st_uid, s.st_gid) == (4712, 4713), (name, s.st_uid, s.st_gid)
`,
    );
  },
  "a sticky directory lets only the owner remove and rename": async (directory) => {
    asRoot();
    chmodSync(directory, 0o1777);
    await python(
      directory,
      `${AS_USER}
assert as_user(4712, 4712, [], lambda: open("theirs", "w").close()) == 0
assert as_user(4720, 4720, [], lambda: os.unlink("theirs")) == errno.EPERM
assert as_user(4720, 4720, [], lambda: os.rename("theirs", "mine")) == errno.EPERM
assert as_user(4712, 4712, [], lambda: os.unlink("theirs")) == 0
`,
    );
  },
  "owner, group, supplementary groups and others are told apart": async (directory) => {
    asRoot();
    chmodSync(directory, 0o777);
    await python(
      directory,
      `${AS_USER}
open("file", "w").close()
os.chown("file", 4712, 4713)
read = lambda: os.close(os.open("file", os.O_RDONLY))
def check(mode, owner, group, supplementary, other):
    os.chmod("file", mode)
    got = (as_user(4712, 1, [], read), as_user(4720, 4713, [], read), as_user(4720, 1, [4713], read), as_user(4720, 1, [], read))
    assert got == (owner, group, supplementary, other), (oct(mode), got)
no = errno.EACCES
check(0o400, 0, no, no, no); check(0o040, no, 0, 0, no); check(0o004, no, no, no, 0); check(0o444, 0, 0, 0, 0)
os.mkdir("closed", 0o700)
open("closed/file", "w").close()
assert as_user(4712, 4712, [], lambda: os.stat("closed/file")) == no
assert as_user(4712, 4712, [], lambda: os.listdir("closed")) == no
os.chmod("closed", 0o711)
assert as_user(4712, 4712, [], lambda: os.stat("closed/file")) == 0
assert as_user(4712, 4712, [], lambda: os.listdir("closed")) == no
assert as_user(4712, 4712, [], lambda: os.chmod("file", 0o777)) == 0
assert as_user(4720, 4712, [], lambda: os.chmod("file", 0o777)) == errno.EPERM
assert as_user(4712, 4713, [], lambda: os.chown("file", 4720, -1)) == errno.EPERM
assert as_user(4712, 4713, [4799], lambda: os.chown("file", -1, 4799)) == 0
assert as_user(4712, 4713, [], lambda: os.chown("file", -1, 4798)) == errno.EPERM
`,
    );
  },
  "without permission to read or write an open is EACCES, and access says so": (directory) => {
    if (getuid?.() === 0) throw new NotHere("root may open everything");
    writeFileSync(`${directory}/file`, "x");
    chmodSync(`${directory}/file`, 0o000);
    fails("EACCES", () => openSync(`${directory}/file`, "r"));
    fails("EACCES", () => accessSync(`${directory}/file`, constants.R_OK));
    accessSync(`${directory}/file`);
    mkdirSync(`${directory}/closed`);
    chmodSync(`${directory}/closed`, 0o500);
    fails("EACCES", () => writeFileSync(`${directory}/closed/new`, ""));
    fails("EPERM", () => chownSync(`${directory}/file`, 0, 0));
    chmodSync(`${directory}/closed`, 0o700);
  },
  "mode bits are exact for every value, on files and directories": (directory) => {
    closeSync(openAt(`${directory}/file`, O_CREAT | O_EXCL | O_WRONLY));
    mkdirSync(`${directory}/dir`);
    for (let bits = 0; bits <= 0o777; bits += 1) {
      chmodSync(`${directory}/file`, bits);
      assert.equal(mode(`${directory}/file`), bits);
    }
    for (const bits of [0o1777, 0o2755, 0o700, 0o755]) {
      chmodSync(`${directory}/dir`, bits);
      assert.equal(mode(`${directory}/dir`), bits);
    }
  },
  "a file that loses its write permission is still written through an open descriptor": (directory) => {
    const fd = openSync(`${directory}/file`, "w");
    chmodSync(`${directory}/file`, 0o444);
    writeSync(fd, "still");
    closeSync(fd);
    assert.equal(statSync(`${directory}/file`).size, 5);
  },
  "what is open stays readable and writable whatever becomes of its permissions, O_DIRECT included": async (directory) => {
    await python(
      directory,
      `${HELD}
files = [create("f%d" % n, 0o644) for n in range(COUNT)]
for n in range(COUNT): os.chmod("f%d" % n, (0o000, 0o444, 0o200, 0o111)[n % 4])
check(files)
for n in range(COUNT):
    assert os.stat("f%d" % n).st_mode & 0o7777 == (0o000, 0o444, 0o200, 0o111)[n % 4]
    os.chmod("f%d" % n, 0o400)
check(files)
`,
    );
  },
  "files created without write permission are written by those who created them": async (directory) => {
    await python(
      directory,
      `${HELD}
files = [create("f%d" % n, (0o444, 0o000, 0o222)[n % 3]) for n in range(COUNT)]
check(files)
assert [os.stat("f%d" % n).st_mode & 0o777 for n in range(3)] == [0o444, 0o000, 0o200]
`,
    );
  },
  "what is open in a directory that may no longer be searched stays readable and writable": async (directory) => {
    await python(
      directory,
      `${HELD}
os.makedirs("closed/deeper")
files = [create("closed/%sf%d" % ("deeper/" * (n % 2), n), 0o644) for n in range(COUNT)]
for top in ("closed/deeper", "closed"): os.chmod(top, 0o600)
try:
    check(files)
    assert os.stat("closed").st_mode & 0o7777 == 0o600
finally:
    for top in ("closed", "closed/deeper"): os.chmod(top, 0o700)
`,
    );
  },
};
