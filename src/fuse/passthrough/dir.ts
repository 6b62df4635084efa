// Listing directories. READDIRPLUS answers with full attributes for every entry (partial ones would make the kernel shrink a mapped
// file, a SIGBUS in whoever mapped it). Offsets are the storage's own d_off, 64 opaque bits copied as words, so seekdir works and
// a directory that changes meanwhile behaves as it does on the storage.
import { O_CLOEXEC, O_DIRECTORY, O_RDONLY, SEEK_SET } from "../../sys/constants.ts";
import { settled } from "../../sys/call.ts";
import { ERRNO } from "../../sys/errno.ts";
import { hot, SYS } from "../../sys/hot.ts";
import * as abi from "../abi/constants.ts";
import * as s from "../abi/structs.ts";
import { DIRENTS_AT, DIRENTS_SIZE, IN, MAX_IO, OUT } from "../codec/memory.ts";
import { direntSize, direntplusSize, D, isDot, putDirent, putDotEntry } from "../codec/dirent.ts";
import { putEntry } from "../codec/reply.ts";
import type { DirStream } from "./handle-table.ts";
import type { Passthrough } from "./passthrough.ts";

const { ENFILE, EIO } = ERRNO;
const FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

export function opendir(fs: Passthrough): number {
  const { nodeid } = fs.req;
  const fd = fs.openNode(nodeid, FLAGS);
  if (fd < 0) return fd;
  const fh = fs.keepHandle(nodeid, FLAGS, fd);
  if (fh === 0) return -ENFILE;
  fs.mem.setLong(OUT + s.fuse_open_out.fh, fh);
  // With nobody else changing it, the kernel may keep the listing until it changes the directory itself.
  fs.mem.setWord(OUT + s.fuse_open_out.open_flags, fs.behaviour.exclusive ? abi.FOPEN_CACHE_DIR | abi.FOPEN_KEEP_CACHE : 0);
  fs.mem.setWord(OUT + s.fuse_open_out.backing_id, 0);
  return s.fuse_open_out.SIZE;
}

export function releasedir(fs: Passthrough): number {
  const fh = fs.mem.long(IN + s.fuse_release_in.fh);
  if (fs.handles.has(fh)) fs.handles.close(fh);
  return 0;
}

export const readdir = (fs: Passthrough): number => list(fs, false);
export const readdirplus = (fs: Passthrough): number => list(fs, true);

function list(fs: Passthrough, plus: boolean): number {
  const { mem } = fs;
  const fh = mem.long(IN + s.fuse_read_in.fh);
  const fd = fs.handleFd(fh);
  if (fd < 0) return fd;
  const stream = fs.handles.stream(fh);
  const size = Math.min(mem.word(IN + s.fuse_read_in.size), MAX_IO);
  seekTo(fd, stream, mem.word(IN + s.fuse_read_in.offset), mem.word(IN + s.fuse_read_in.offset + 4));
  let at = OUT;
  while (at < OUT + size) {
    const filled = fill(fs, fd, stream, OUT + size - at);
    if (filled <= 0) return at > OUT ? at - OUT : filled;
    const [used, written] = pack(fs, fd, stream, filled, at, OUT + size, plus);
    at = written;
    if (used === filled) continue;
    // A copy: a slice of a Buffer is none, and others list directories before this one goes on.
    stream.rest = new Uint8Array(mem.bytes.subarray(DIRENTS_AT + used, DIRENTS_AT + filled));
    if (at === OUT) return -EIO; // not even one entry fits: the kernel asks with at least a page
    break;
  }
  return at - OUT;
}

/** Makes the storage's stream stand at the asked offset: it does already unless the caller rewound or sought. */
function seekTo(fd: number, stream: DirStream, lo: number, hi: number): void {
  if (stream.lo === lo && stream.hi === hi && (lo !== 0 || hi !== 0)) return;
  stream.rest = undefined;
  hot.lseek(fd, hi === 0 ? lo : (BigInt(hi | 0) << 32n) | BigInt(lo), SEEK_SET);
  stream.lo = lo;
  stream.hi = hi;
}

/** Entries at DIRENTS_AT: those left over, or as many new ones as may fit the reply; their length, 0 at the end, -errno. */
function fill(fs: Passthrough, fd: number, stream: DirStream, room: number): number {
  const { mem } = fs;
  const { rest } = stream;
  if (rest !== undefined) {
    mem.bytes.set(rest, DIRENTS_AT);
    stream.rest = undefined;
    return rest.length;
  }
  const size = Math.max(Math.min(room, DIRENTS_SIZE), 512);
  return settled(hot.getdents64(SYS.getdents64, fd, mem.address + DIRENTS_AT, size));
}

/** Packs entries from DIRENTS_AT to `at`; how many bytes of them were used, and where the reply ends now. */
function pack(fs: Passthrough, fd: number, stream: DirStream, filled: number, start: number, end: number, plus: boolean): [number, number] {
  const { mem } = fs;
  let at = start;
  let used = 0;
  while (used < filled) {
    const entry = DIRENTS_AT + used;
    const name = entry + D.name;
    const length = mem.bytes.indexOf(0, name) - name;
    const size = plus ? direntplusSize(length) : direntSize(length);
    if (at + size > end) break;
    putDirent(mem, plus ? at + s.fuse_direntplus.dirent : at, entry, length);
    if (plus) putEntryOf(fs, fd, at, name, length);
    stream.lo = mem.word(entry + D.off);
    stream.hi = mem.word(entry + D.off + 4);
    at += size;
    used += mem.bytes.readUInt16LE(entry + D.reclen);
  }
  return [used, at];
}

/** "." and "..", and what vanished meanwhile, carry no node: the kernel takes the name and looks no further. */
function putEntryOf(fs: Passthrough, fd: number, at: number, name: number, length: number): void {
  const { mem } = fs;
  if (isDot(mem, name, length) || fs.statName(fd, mem.address + name) < 0) return putDotEntry(mem, at);
  const nodeid = fs.enter(fs.req.nodeid, mem.bytes, name, length);
  if (nodeid === 0) return putDotEntry(mem, at);
  fs.small.told(nodeid);
  putEntry(mem, at, nodeid, fs.nodes.generation(nodeid), fs.behaviour.timeout);
}
