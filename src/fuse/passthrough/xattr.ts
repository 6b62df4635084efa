// Extended attributes, POSIX ACLs among them, by a descriptor of the file itself, or where it is O_PATH (a symlink too) by its name in /proc.
import { ERRNO } from "../../sys/errno.ts";
import { hot } from "../../sys/hot.ts";
import { FUSE_SETXATTR_ACL_KILL_SGID } from "../abi/constants.ts";
import { fuse_getxattr_in, fuse_getxattr_out, fuse_setxattr_in } from "../abi/structs.ts";
import { IN, MAX_IO, OUT, type Memory } from "../codec/memory.ts";
import type { Passthrough } from "./passthrough.ts";

const { EINVAL, EIO, ERANGE } = ERRNO;
const TRUSTED = "trusted.";
/** fuse_setxattr_in before FUSE_SETXATTR_EXT (FUSE_COMPAT_SETXATTR_IN_SIZE). */
const COMPAT_SIZE = 8;

const ACCESS_ACL = Buffer.from("system.posix_acl_access\0");

/** Runs one of two calls for the request's node: by a descriptor, or by a path that names it. */
function onNode(fs: Passthrough, direct: (fd: number) => number, byPath: (path: number) => number): number {
  const fd = fs.borrow(fs.req.nodeid);
  if (fd < 0) return fd;
  const result = fs.onFd(fd, () => direct(fd), byPath);
  fs.giveBack();
  return result;
}

type Ask = (file: number, buffer: number, room: number) => number;

/** A size of 0 asks how large the answer would be. */
function answer(fs: Passthrough, direct: Ask, byPath: Ask): number {
  const { mem } = fs;
  const size = mem.word(IN + fuse_getxattr_in.size);
  const [out, room] = [mem.address + OUT, Math.min(size, MAX_IO)];
  const result = onNode(
    fs,
    (fd) => direct(fd, out, room),
    (path) => byPath(path, out, room),
  );
  return result < 0 || size !== 0 ? result : answerSize(mem, result);
}

function answerSize(mem: Memory, size: number): number {
  mem.setWord(OUT + fuse_getxattr_out.size, size);
  mem.setWord(OUT + fuse_getxattr_out.padding, 0);
  return fuse_getxattr_out.SIZE;
}

export function getxattr(fs: Passthrough): number {
  const name = fs.mem.address + fs.req.name0;
  return answer(
    fs,
    (fd, buffer, room) => hot.fgetxattr(fd, name, buffer, room),
    (path, buffer, room) => hot.getxattr(path, name, buffer, room),
  );
}

export function listxattr(fs: Passthrough): number {
  if (fs.creds.owns(fs.req.uid)) return answer(fs, hot.flistxattr, hot.listxattr);
  // Served by root: the storage lists to it what is for administrators only.
  const { mem } = fs;
  const all = onNode(
    fs,
    (fd) => hot.flistxattr(fd, mem.address + OUT, MAX_IO),
    (path) => hot.listxattr(path, mem.address + OUT, MAX_IO),
  );
  if (all < 0) return all;
  const length = dropTrusted(mem.bytes.subarray(OUT, OUT + all));
  const size = mem.word(IN + fuse_getxattr_in.size);
  if (size === 0) return answerSize(mem, length);
  return length <= size ? length : -ERANGE;
}

/** Moves the other names together; their length. */
function dropTrusted(list: Buffer): number {
  let length = 0;
  for (let at = 0; at < list.length;) {
    const end = list.indexOf(0, at) + 1;
    if (list.toString("latin1", at, at + TRUSTED.length) !== TRUSTED) length += list.copy(list, length, at, end);
    at = end;
  }
  return length;
}

export function setxattr(fs: Passthrough): number {
  const { mem, req, creds } = fs;
  const extended = fs.behaviour.setxattrExt;
  const name = IN + (extended ? fuse_setxattr_in.SIZE : COMPAT_SIZE);
  const value = name < req.end ? req.afterName(name) : -1;
  const size = mem.word(IN + fuse_setxattr_in.size);
  if (value < 0) return -EINVAL;
  if (size > req.end - value) return -EIO;
  // An ACL holds the owner's permissions, too.
  if (fs.behaviour.noOpen && mem.bytes.subarray(name, value).equals(ACCESS_ACL)) fs.files.losing(req.nodeid, 0);
  // An ACL set by one outside the file's group clears setgid: the kernel tells, the storage does it for that caller.
  if (extended && (mem.word(IN + fuse_setxattr_in.setxattr_flags) & FUSE_SETXATTR_ACL_KILL_SGID) !== 0) creds.become(req);
  const flags = mem.word(IN + fuse_setxattr_in.flags);
  const [key, from] = [mem.address + name, mem.address + value];
  const result = onNode(
    fs,
    (fd) => hot.fsetxattr(fd, key, from, size, flags),
    (path) => hot.setxattr(path, key, from, size, flags),
  );
  creds.restore();
  return result;
}

export function removexattr(fs: Passthrough): number {
  const name = fs.mem.address + fs.req.name0;
  return onNode(
    fs,
    (fd) => hot.fremovexattr(fd, name),
    (path) => hot.removexattr(path, name),
  );
}
