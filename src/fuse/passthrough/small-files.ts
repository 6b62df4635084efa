// What the kernel's page cache holds of files that others may change.
//
// What a program opens it reads. So the content of a small file is put into the kernel's page cache (FUSE_NOTIFY_STORE) before the answer
// to its OPEN, and the READ, with its two wake-ups, does not come.
//
// What must stay true: only pages that nobody can have changed are written over. So it is done while no handle of the file is open: a
// write, dirty page or read in flight keeps its handle open (and a locked page that we wait for would be a deadlock). Not with the
// writeback cache, where the kernel's pages are newer than the storage; not with FUSE_PASSTHROUGH, which has no pages. And only where the kernel was
// told the attributes this content has: with others it would drop the pages again (FUSE_AUTO_INVAL_DATA).
//
// Of a change that leaves size and mtime as they were it would not: that is told by ctime, here, at the next OPEN.
import { O_ACCMODE, O_DIRECT, O_TRUNC, O_WRONLY } from "../../sys/constants.ts";
import { STATX } from "../../sys/stat.ts";
import { FUSE_NOTIFY_STORE } from "../abi/constants.ts";
import { fuse_notify_store_out } from "../abi/structs.ts";
import { OUT, STATX_AT, type Memory } from "../codec/memory.ts";
import type { Passthrough } from "./passthrough.ts";
import { readNow } from "./read-now.ts";

/** Bytes; twice the copying costs less than one wake-up. */
const SMALL = 32 * 1024;
const DATA = OUT + fuse_notify_store_out.SIZE;
const UNSUITABLE = O_TRUNC | O_DIRECT;

/** 32 bits of the size and the time of change of the file at STATX_AT; two that are taken for one only cost a READ. */
function stampOf(mem: Memory): number {
  const size = Math.imul(mem.word(STATX_AT + STATX.stx_size), 0x9e3779b1);
  const sec = Math.imul(mem.word(STATX_AT + STATX.stx_mtime) ^ size, 0x85ebca6b);
  return (Math.imul(mem.word(STATX_AT + STATX.stx_mtime + 8) ^ sec, 0x27d4eb2d) ^ sec) >>> 0 || 1;
}

/** 32 bits of the time of the last change of any kind. */
function ctimeOf(mem: Memory): number {
  return (Math.imul(mem.word(STATX_AT + STATX.stx_ctime), 0x9e3779b1) ^ mem.word(STATX_AT + STATX.stx_ctime + 8)) >>> 0 || 1;
}

export class SmallFiles {
  readonly #fs: Passthrough;
  /** By node id: the content that the kernel knows the attributes of, and the one it was given. 0: none. */
  #told = new Uint32Array(1024);
  #given = new Uint32Array(1024);
  /** When it was last opened, or changed by us in another way than by writing, which moves mtime. */
  #ctime = new Uint32Array(1024);

  constructor(fs: Passthrough) {
    this.#fs = fs;
  }

  /** The attributes at STATX_AT are about to be told. */
  told(nodeid: number): void {
    if (nodeid >= this.#told.length) this.#grow(nodeid);
    this.#told[nodeid] = stampOf(this.#fs.mem);
  }

  #grow(nodeid: number): void {
    const size = Math.max(nodeid + 1, this.#told.length * 2);
    const larger = (words: Uint32Array): Uint32Array<ArrayBuffer> => {
      const copy = new Uint32Array(size);
      copy.set(words);
      return copy;
    };
    this.#told = larger(this.#told);
    this.#given = larger(this.#given);
    this.#ctime = larger(this.#ctime);
  }

  /** The file at STATX_AT was made, or changed, by us; its attributes are told. */
  changed(nodeid: number): void {
    this.#ctime[nodeid] = ctimeOf(this.#fs.mem);
  }

  /** The node id is given up. */
  remove(nodeid: number): void {
    if (nodeid >= this.#told.length) return;
    this.#told[nodeid] = 0;
    this.#given[nodeid] = 0;
    this.#ctime[nodeid] = 0;
  }

  /**
   * The file at STATX_AT, just opened as `fd` with the caller's `flags`, is about to get a handle.
   * @returns whether the pages that the kernel has may be kept.
   */
  opened(nodeid: number, fd: number, flags: number): boolean {
    const { mem, behaviour } = this.#fs;
    if (behaviour.writeback || behaviour.passthrough) return true;
    if (nodeid >= this.#told.length) this.#grow(nodeid);
    const ctime = ctimeOf(mem);
    const same = behaviour.exclusive || this.#ctime[nodeid] === ctime;
    this.#ctime[nodeid] = ctime;
    return this.#give(nodeid, fd, flags, same) || same;
  }

  /** `same`: what was given before is good still. @returns whether all pages are given. */
  #give(nodeid: number, fd: number, flags: number, same: boolean): boolean {
    const { mem, nodes, services } = this.#fs;
    if ((flags & UNSUITABLE) !== 0 || (flags & O_ACCMODE) === O_WRONLY) return false;
    const stamp = stampOf(mem);
    const size = mem.long(STATX_AT + STATX.stx_size);
    if (size === 0 || size > SMALL || this.#told[nodeid] !== stamp || (same && this.#given[nodeid] === stamp)) return false;
    if (nodes.firstHandle(nodeid) !== 0) return false;
    // One byte more than there should be: a file that has grown or shrunk meanwhile is left to READ.
    if (readNow(this.#fs, fd, DATA, 0, size + 1) !== size) return false;
    mem.setLong(OUT + fuse_notify_store_out.nodeid, nodeid);
    mem.setLong(OUT + fuse_notify_store_out.offset, 0);
    mem.setWord(OUT + fuse_notify_store_out.size, size);
    mem.setWord(OUT + fuse_notify_store_out.padding, 0);
    services.notify(FUSE_NOTIFY_STORE, fuse_notify_store_out.SIZE + size);
    this.#given[nodeid] = stamp;
    return true;
  }
}
