// Finding names and forgetting nodes; and the one answer of all requests that find or make a name: its fuse_entry_out.
import { ERRNO } from "../../sys/errno.ts";
import { fuse_batch_forget_in, fuse_entry_out, fuse_forget_in, fuse_forget_one } from "../abi/structs.ts";
import { IN, OUT } from "../codec/memory.ts";
import { putEntry, putNegativeEntry } from "../codec/reply.ts";
import type { Passthrough } from "./passthrough.ts";

const NAME_MAX = 255;
const { EINVAL, ENAMETOOLONG, ENOENT, ENOMEM } = ERRNO;

/** The name at request offset `at` as a component: its length, or -errno. */
export function componentLength(fs: Passthrough, at: number): number {
  const length = fs.req.nameLength(at);
  if (length > 0) return length;
  return fs.mem.bytes.indexOf(0, at) - at > NAME_MAX ? -ENAMETOOLONG : -EINVAL;
}

/** Answers with the entry of `name` in `dirfd`, the descriptor of `parent`: it exists, for it was just found or made. */
export function entryOf(fs: Passthrough, parent: number, dirfd: number, name: number, length: number): number {
  const result = fs.statName(dirfd, fs.mem.address + name);
  return result < 0 ? result : enterStatted(fs, parent, name, length, OUT);
}

/** Enters the file at STATX_AT under a name and writes its fuse_entry_out at `at`. */
export function enterStatted(fs: Passthrough, parent: number, name: number, length: number, at: number): number {
  const nodeid = fs.enter(parent, fs.mem.bytes, name, length);
  if (nodeid === 0) return -ENOMEM;
  fs.small.told(nodeid);
  putEntry(fs.mem, at, nodeid, fs.nodes.generation(nodeid), fs.behaviour.timeout);
  return fuse_entry_out.SIZE;
}

export function lookup(fs: Passthrough): number {
  const { nodeid, name0 } = fs.req;
  const dirfd = fs.dirFd(nodeid);
  if (dirfd < 0) return dirfd;
  const length = componentLength(fs, name0);
  if (length < 0) return length;
  const result = entryOf(fs, nodeid, dirfd, name0, length);
  if (result !== -ENOENT) return result;
  putNegativeEntry(fs.mem, OUT, fs.behaviour.timeout);
  return fuse_entry_out.SIZE;
}

// The kernel holds a node while a file of it is open. A handle that is left belongs to nobody: an OPEN was answered by a server that died
// before the kernel heard of it, and again by the next one.
function forgetNode(fs: Passthrough, nodeid: number, count: number): void {
  const { nodes } = fs;
  nodes.forget(nodeid, count);
  if (nodes.isForgotten(nodeid) && !nodes.isDirectory(nodeid)) fs.files.forgotten(nodeid);
}

export function forget(fs: Passthrough): number {
  forgetNode(fs, fs.req.nodeid, fs.mem.long(IN + fuse_forget_in.nlookup));
  return 0;
}

export function batchForget(fs: Passthrough): number {
  const { mem, req } = fs;
  const first = IN + fuse_batch_forget_in.SIZE;
  const room = Math.floor((req.end - first) / fuse_forget_one.SIZE);
  const count = Math.min(mem.word(IN + fuse_batch_forget_in.count), room);
  for (let i = 0, at = first; i < count; i += 1, at += fuse_forget_one.SIZE) {
    forgetNode(fs, mem.long(at + fuse_forget_one.nodeid), mem.long(at + fuse_forget_one.nlookup));
  }
  return 0;
}
