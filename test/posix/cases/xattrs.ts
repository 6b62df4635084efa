// Extended attributes and, where the storage has them, POSIX access control lists.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, openSync, closeSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { getuid } from "node:process";
import { isErrno } from "../../../src/sys/errno.ts";
import { fails, getxattr, listxattr, NotHere, python, removexattr, setxattr, xattrSize, type Cases } from "../calls.ts";

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

function needsUserXattrs(file: string): void {
  writeFileSync(file, "");
  try {
    setxattr(file, "user.probe", Buffer.from("1"));
  } catch (error) {
    if (isErrno(error, "EOPNOTSUPP")) throw new NotHere("the storage has no user extended attributes");
    throw error;
  }
  removexattr(file, "user.probe");
}

const acl = (directory: string, program: string): Promise<string> =>
  python(
    directory,
    `import subprocess, os
def run(*args): return subprocess.run(args, capture_output=True, text=True)
open("probe", "w").close()
r = run("setfacl", "-m", "u:4712:r", "probe")
if "not supported" in r.stderr: print("unsupported"); raise SystemExit(0)
assert r.returncode == 0, r.stderr
def getfacl(name): return run("getfacl", "-cpn", name).stdout.split()
def setfacl(*args):
    r = run("setfacl", *args)
    assert r.returncode == 0, r.stderr
${program}`,
  ).then((out) => {
    if (out.startsWith("unsupported")) throw new NotHere("the storage has no access control lists");
    return out;
  });

export const xattrs: Cases = {
  "extended attributes are set, replaced, listed and removed, values of any bytes": (directory) => {
    const file = `${directory}/file`;
    needsUserXattrs(file);
    assert.deepEqual(listxattr(file), []);
    const value = Buffer.from([0, 1, 255, 10, 0, 128]);
    setxattr(file, "user.bytes", value);
    setxattr(file, "user.empty", Buffer.alloc(0));
    assert.deepEqual(getxattr(file, "user.bytes"), value);
    assert.equal(xattrSize(file, "user.bytes"), 6);
    assert.equal(xattrSize(file, "user.empty"), 0);
    assert.deepEqual(listxattr(file), ["user.bytes", "user.empty"]);
    setxattr(file, "user.bytes", Buffer.from("other"));
    assert.equal(getxattr(file, "user.bytes").toString(), "other");
    removexattr(file, "user.bytes");
    fails("ENODATA", () => getxattr(file, "user.bytes"));
    fails("ENODATA", () => removexattr(file, "user.bytes"));
  },
  "XATTR_CREATE is EEXIST on an attribute that is there, XATTR_REPLACE ENODATA on one that is not, a small buffer ERANGE": (directory) => {
    const file = `${directory}/file`;
    needsUserXattrs(file);
    fails("ENODATA", () => setxattr(file, "user.a", Buffer.from("1"), XATTR_REPLACE));
    setxattr(file, "user.a", Buffer.from("1"), XATTR_CREATE);
    fails("EEXIST", () => setxattr(file, "user.a", Buffer.from("2"), XATTR_CREATE));
    setxattr(file, "user.a", Buffer.from("a longer value"), XATTR_REPLACE);
    fails("ERANGE", () => getxattr(file, "user.a", 3));
    fails("EOPNOTSUPP", () => setxattr(file, "nonsense.a", Buffer.from("1")));
  },
  "an attribute of 2,000 bytes and 20 attributes on one file are kept, on directories as well": (directory) => {
    mkdirSync(`${directory}/dir`);
    needsUserXattrs(`${directory}/probe`);
    setxattr(`${directory}/dir`, "user.large", Buffer.alloc(2_000, 7));
    for (let index = 0; index < 20; index += 1) setxattr(`${directory}/dir`, `user.n${index}`, Buffer.from(String(index)));
    assert.ok(getxattr(`${directory}/dir`, "user.large").equals(Buffer.alloc(2_000, 7)));
    assert.equal(listxattr(`${directory}/dir`).length, 21);
    assert.equal(getxattr(`${directory}/dir`, "user.n13").toString(), "13");
  },
  "user attributes on a symlink are refused, trusted ones are root's": (directory) => {
    needsUserXattrs(`${directory}/probe`);
    symlinkSync("probe", `${directory}/link`);
    fails("EPERM", () => setxattr(`${directory}/link`, "user.a", Buffer.from("1")));
    if (getuid?.() !== 0) {
      fails("EPERM", () => setxattr(`${directory}/probe`, "trusted.a", Buffer.from("1")));
      return;
    }
    setxattr(`${directory}/probe`, "trusted.a", Buffer.from("1"));
    assert.equal(getxattr(`${directory}/probe`, "trusted.a").toString(), "1");
  },
  "attributes of an unlinked open file and of hard links are one set": async (directory) => {
    needsUserXattrs(`${directory}/file`);
    await python(
      directory,
      `import os
os.link("file", "other")
os.setxattr("file", "user.a", b"1")
assert os.getxattr("other", "user.a") == b"1"
fd = os.open("file", os.O_RDWR)
os.unlink("file"); os.unlink("other")
assert os.getxattr(fd, "user.a") == b"1"
os.setxattr(fd, "user.b", b"2")
assert sorted(os.listxattr(fd)) == ["user.a", "user.b"]
`,
    );
  },
  "an ACL is set, read back and shown in the group bits": async (directory) => {
    await acl(
      directory,
      `
os.chmod("probe", 0o640)
setfacl("-m", "u:4712:rw,g:4713:r", "probe")
assert getfacl("probe") == ["user::rw-", "user:4712:rw-", "group::r--", "group:4713:r--", "mask::rw-", "other::---"], getfacl("probe")
assert os.stat("probe").st_mode & 0o777 == 0o660
os.chmod("probe", 0o600)
assert "mask::---" in getfacl("probe")
setfacl("-b", "probe")
assert len(getfacl("probe")) == 3, getfacl("probe")
`,
    );
  },
  "a default ACL is inherited by what is created below": async (directory) => {
    await acl(
      directory,
      `
os.mkdir("dir")
setfacl("-d", "-m", "u:4712:rwx,o::---", "dir")
os.umask(0o022)
open("dir/file", "w").close()
os.mkdir("dir/sub")
assert "user:4712:rwx" in getfacl("dir/file"), getfacl("dir/file")
assert "default:user:4712:rwx" in getfacl("dir/sub"), getfacl("dir/sub")
assert os.stat("dir/file").st_mode & 0o007 == 0, oct(os.stat("dir/file").st_mode)
`,
    );
  },
  "an ACL decides who may read": async (directory) => {
    if (getuid?.() !== 0) throw new NotHere("only root may act for other users");
    chmodSync(directory, 0o755);
    await acl(
      directory,
      `
os.chmod("probe", 0o600)
setfacl("-m", "u:4712:r", "probe")
def reads(uid):
    pid = os.fork()
    if pid == 0:
        os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
        try: open("probe").read(); os._exit(0)
        except PermissionError: os._exit(13)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert reads(4712) == 0
assert reads(4720) == 13
`,
    );
  },
  "trusted attributes are listed to root alone": async (directory) => {
    if (getuid?.() !== 0) throw new NotHere("only root may set trusted attributes");
    needsUserXattrs(`${directory}/file`);
    chmodSync(directory, 0o755);
    await python(
      directory,
      `import os
for name in ("user.a", "trusted.secret", "user.b", "trusted.other"): os.setxattr("file", name, b"1")
assert len(os.listxattr("file")) == 4
os.chmod("file", 0o644)
os.setgroups([]); os.setresgid(4712, 4712, 4712); os.setresuid(4712, 4712, 4712)
assert sorted(os.listxattr("file")) == ["user.a", "user.b"], os.listxattr("file")
`,
    );
  },
  "a file with a capability loses it when it is written": async (directory) => {
    if (getuid?.() !== 0) throw new NotHere("only root may set capabilities");
    const file = `${directory}/file`;
    writeFileSync(file, "x");
    // cap_net_bind_service=ep, vfs_cap_data version 2
    const value = Buffer.from("0100000200040000000000000000000000000000", "hex");
    setxattr(file, "security.capability", value);
    assert.deepEqual(getxattr(file, "security.capability"), value);
    closeSync(openSync(file, "r+"));
    assert.deepEqual(getxattr(file, "security.capability"), value);
    writeFileSync(file, "y");
    fails("ENODATA", () => getxattr(file, "security.capability"));
    unlinkSync(file);
    assert.equal(statSync(directory).nlink, 2);
  },
};
