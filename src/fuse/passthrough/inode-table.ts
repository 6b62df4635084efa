// nodeid <-> (device, inode number, birth): which file of the storage a node id means, how often the kernel holds it, and under which
// names it can be found again. Flat records (see shared-tables.ts): 48 bytes a node, 16 a name, no object per file.
//
// Invariants: a node lives while the kernel holds lookups, a handle is open or a known child names it as parent. A file that was
// deleted is taken out of the index at once (`detach`), so the storage's reuse of its inode number makes a new node, never a
// new file behind old cached pages; `birth` catches reuse after deletions from outside. (nodeid, generation) is never repeated.
import { FUSE_ROOT_ID } from "../abi/constants.ts";
import { NameArena } from "./name-arena.ts";
import type { SharedTables } from "./shared-tables.ts";
import { DEVICES, HEADER, LINK_WORDS, MAX_LINKS, MAX_NODES, NODE_WORDS, SEAL, SEAL_KEY } from "./table-layout.ts";

// Words of a node record.
const INO_LO = 0;
const INO_HI = 1;
const DEVICE = 2; // index of the device, plus FLAG_* bits
const BIRTH = 3;
const NLOOKUP = 4;
const REFS = 5; // links that name this node as their parent
const LINK = 6; // the first of its names
const HANDLE = 7; // the first of its open handles
const GENERATION = 8;
const NEXT = 9; // in its hash bucket, or in the list of free ones; rebuilt by resume
const BACKING = 10; // FUSE_PASSTHROUGH: id of the kernel's backing file, BACKING_CACHED, or 0

const MAX_DEVICES = 1 << 16;
const FLAG_DIRECTORY = 1 << 16;
const FLAG_DETACHED = 1 << 17;
const FLAG_OPENED = 1 << 18;

// Words of a link record.
const L_NODE = 0;
const L_PARENT = 1;
const L_NAME = 2;
const L_NEXT = 3; // of the node's names, or in the list of free ones
/** Names remembered per node; the kernel asks again for those beyond. */
const MAX_NAMES = 16;

/** `backing` of a node whose open handles go through the page cache. */
export const BACKING_CACHED = 0xffffffff;

const WORDS = NODE_WORDS;

export class InodeTable {
  readonly names: NameArena;
  readonly #tables: SharedTables;
  #buckets = new Int32Array(1 << 10);
  #freeNode = 0;
  #freeLink = 0;
  #count = 0;
  /** Told when a node id is given up, so that descriptors kept for it are closed. */
  onFree: (nodeid: number) => void = () => {};

  constructor(tables: SharedTables) {
    this.#tables = tables;
    this.names = new NameArena(tables);
    if (tables.resumed) this.#rebuild();
  }

  get count(): number {
    return this.#count;
  }

  /** There is no record for another file. */
  get full(): boolean {
    return this.#freeNode === 0 && (this.#tables.header[HEADER.nodes] as number) >= MAX_NODES;
  }

  #w(nodeid: number, word: number): number {
    return this.#tables.nodes.u32[nodeid * WORDS + word] as number;
  }

  #set(nodeid: number, word: number, value: number): void {
    this.#tables.nodes.u32[nodeid * WORDS + word] = value;
  }

  #l(link: number, word: number): number {
    return this.#tables.links.u32[link * LINK_WORDS + word] as number;
  }

  #setL(link: number, word: number, value: number): void {
    this.#tables.links.u32[link * LINK_WORDS + word] = value;
  }

  /**
   * True for a node id that is in use; anything else the kernel or an attacker may say is not. Records below the first one were not
   * adopted by `#rebuild`: whatever lists they name may run in circles.
   */
  has(nodeid: number): boolean {
    const { header } = this.#tables;
    const known = nodeid === FUSE_ROOT_ID || nodeid >= (header[HEADER.firstNode] as number);
    return nodeid > 0 && known && nodeid < (header[HEADER.nodes] as number) && this.#w(nodeid, SEAL) === (nodeid ^ SEAL_KEY) >>> 0;
  }

  /**
   * Index of a device, kept so that an identity is three words. When too many were seen (each snapshot of a btrfs is one, and their files
   * have the same numbers and births) the number itself has to do: such devices have small ones, given out one after the other.
   */
  device(major: number, minor: number): number {
    const h = this.#tables.header;
    const count = h[HEADER.devices] as number;
    for (let i = 0; i < count; i += 1) if (h[HEADER.device0 + i * 2] === major && h[HEADER.device0 + i * 2 + 1] === minor) return i;
    if (count === DEVICES) return DEVICES + ((major * 4099 + minor) % (MAX_DEVICES - DEVICES));
    h[HEADER.device0 + count * 2] = major;
    h[HEADER.device0 + count * 2 + 1] = minor;
    h[HEADER.devices] = count + 1;
    return count;
  }

  #bucket(device: number, lo: number, hi: number): number {
    return (Math.imul(lo ^ Math.imul(hi, 0x9e3779b1) ^ Math.imul(device, 0x85ebca6b), 0x27d4eb2d) >>> 7) & (this.#buckets.length - 1);
  }

  /** The node of this file; 0 if it is not known. */
  find(device: number, lo: number, hi: number, birth: number): number {
    for (let n = this.#buckets[this.#bucket(device, lo, hi)] as number; n !== 0; n = this.#w(n, NEXT)) {
      if (this.#w(n, INO_LO) === lo && this.#w(n, INO_HI) === hi && (this.#w(n, DEVICE) & 0xffff) === device) {
        if (this.#w(n, BIRTH) === birth) return n;
        this.detach(n);
        return 0;
      }
    }
    return 0;
  }

  /** Whether `nodeid` is the file with this identity. */
  is(nodeid: number, device: number, lo: number, hi: number, birth: number): boolean {
    return (
      this.#w(nodeid, INO_LO) === lo &&
      this.#w(nodeid, INO_HI) === hi &&
      (this.#w(nodeid, DEVICE) & 0xffff) === device &&
      this.#w(nodeid, BIRTH) === birth
    );
  }

  /** A new node; 0 when the table is full. The first one is the root. */
  add(device: number, lo: number, hi: number, birth: number, directory: boolean): number {
    const { header, nodes } = this.#tables;
    let n = this.#freeNode;
    if (n !== 0) this.#freeNode = this.#w(n, NEXT);
    else {
      n = header[HEADER.nodes] as number;
      if (n >= MAX_NODES || !nodes.reach((n + 1) * WORDS * 4)) return 0;
      header[HEADER.nodes] = n + 1;
    }
    const generation = this.#w(n, GENERATION);
    nodes.u32.fill(0, n * WORDS, (n + 1) * WORDS);
    this.#set(n, GENERATION, generation + 1);
    this.#set(n, INO_LO, lo);
    this.#set(n, INO_HI, hi);
    this.#set(n, DEVICE, device | (directory ? FLAG_DIRECTORY : 0));
    this.#set(n, BIRTH, birth);
    this.#set(n, SEAL, n ^ SEAL_KEY);
    this.#count += 1;
    if (this.#count > this.#buckets.length) this.#rehash();
    else this.#index(n);
    return n;
  }

  #index(n: number): void {
    const bucket = this.#bucket(this.#w(n, DEVICE) & 0xffff, this.#w(n, INO_LO), this.#w(n, INO_HI));
    this.#set(n, NEXT, this.#buckets[bucket] as number);
    this.#buckets[bucket] = n;
  }

  #rehash(): void {
    while (this.#buckets.length < this.#count * 2) this.#buckets = new Int32Array(this.#buckets.length * 2);
    this.#buckets.fill(0);
    const { header } = this.#tables;
    if (this.has(FUSE_ROOT_ID)) this.#index(FUSE_ROOT_ID);
    const high = header[HEADER.nodes] as number;
    for (let n = Math.max(header[HEADER.firstNode] as number, 2); n < high; n += 1)
      if (this.has(n) && (this.#w(n, DEVICE) & FLAG_DETACHED) === 0) this.#index(n);
  }

  /** The file is gone from the storage (or its identity became another's): never to be found by identity again. */
  detach(n: number): void {
    if ((this.#w(n, DEVICE) & FLAG_DETACHED) !== 0) return;
    this.#unindex(n);
    this.#set(n, DEVICE, this.#w(n, DEVICE) | FLAG_DETACHED);
  }

  #unindex(n: number): void {
    const bucket = this.#bucket(this.#w(n, DEVICE) & 0xffff, this.#w(n, INO_LO), this.#w(n, INO_HI));
    let at = this.#buckets[bucket] as number;
    if (at === n) this.#buckets[bucket] = this.#w(n, NEXT);
    else {
      while (at !== 0 && this.#w(at, NEXT) !== n) at = this.#w(at, NEXT);
      if (at !== 0) this.#set(at, NEXT, this.#w(n, NEXT));
    }
  }

  isDirectory(n: number): boolean {
    return (this.#w(n, DEVICE) & FLAG_DIRECTORY) !== 0;
  }

  /** Its content was asked for or written, so that it may be open still. */
  wasOpened(n: number): boolean {
    return (this.#w(n, DEVICE) & FLAG_OPENED) !== 0;
  }

  setOpened(n: number): void {
    this.#set(n, DEVICE, this.#w(n, DEVICE) | FLAG_OPENED);
  }

  generation(n: number): number {
    return this.#w(n, GENERATION);
  }

  backing(n: number): number {
    return this.#w(n, BACKING);
  }

  setBacking(n: number, id: number): void {
    this.#set(n, BACKING, id);
  }

  /** First handle of the node's list; the list itself belongs to the handle table. */
  firstHandle(n: number): number {
    return this.#w(n, HANDLE);
  }

  setFirstHandle(n: number, fh: number): void {
    this.#set(n, HANDLE, fh);
    if (fh === 0) this.#maybeFree(n);
  }

  /** One more reference by the kernel: before the reply that tells it. */
  lookedUp(n: number): void {
    this.#set(n, NLOOKUP, this.#w(n, NLOOKUP) + 1);
  }

  forget(n: number, count: number): void {
    if (!this.has(n) || n === FUSE_ROOT_ID) return;
    this.#set(n, NLOOKUP, Math.max(0, this.#w(n, NLOOKUP) - count));
    this.#maybeFree(n);
  }

  /** The kernel holds no reference any more; a handle or a child still does. */
  isForgotten(n: number): boolean {
    return this.has(n) && this.#w(n, NLOOKUP) === 0;
  }

  #maybeFree(start: number): void {
    let n = start;
    while (n !== FUSE_ROOT_ID && this.has(n) && this.#w(n, NLOOKUP) === 0 && this.#w(n, REFS) === 0 && this.#w(n, HANDLE) === 0) {
      if ((this.#w(n, DEVICE) & FLAG_DETACHED) === 0) this.#unindex(n);
      this.#set(n, SEAL, 0);
      this.#count -= 1;
      // Parents are released last-name-first; the loop goes on with one of them, recursion takes the rest (hard links only).
      let parent = 0;
      for (let link = this.#w(n, LINK); link !== 0;) {
        const next = this.#l(link, L_NEXT);
        if (parent !== 0) this.#maybeFree(parent);
        parent = this.#dropLink(link);
        link = next;
      }
      this.#set(n, LINK, 0);
      this.onFree(n);
      this.#putFreeNode(n);
      n = parent;
    }
  }

  #putFreeNode(n: number): void {
    this.#set(n, NEXT, this.#freeNode);
    this.#freeNode = n;
  }

  #putFreeLink(link: number): void {
    this.#setL(link, L_NEXT, this.#freeLink);
    this.#freeLink = link;
  }

  /** Frees a link record that is on no list any more and returns its parent, whose count it lowered. */
  #dropLink(link: number): number {
    const parent = this.#l(link, L_PARENT);
    this.#setL(link, L_NODE, 0);
    this.names.remove(this.#l(link, L_NAME));
    this.#putFreeLink(link);
    this.#set(parent, REFS, Math.max(0, this.#w(parent, REFS) - 1));
    return parent;
  }

  firstLink(n: number): number {
    return this.#w(n, LINK);
  }

  nextLink(link: number): number {
    return this.#l(link, L_NEXT);
  }

  parentOf(link: number): number {
    return this.#l(link, L_PARENT);
  }

  nameOf(link: number): number {
    return this.#l(link, L_NAME);
  }

  /** Remembers that `parent` holds `n` under this name; false when the table is full. The newest name is tried first. */
  addName(n: number, parent: number, source: Uint8Array, at: number, length: number): boolean {
    let count = 0;
    for (let link = this.#w(n, LINK); link !== 0; link = this.#l(link, L_NEXT)) {
      if (this.#l(link, L_PARENT) === parent && this.names.equals(this.#l(link, L_NAME), source, at, length)) return true;
      count += 1;
    }
    if (count >= MAX_NAMES || (count > 0 && this.isDirectory(n))) this.removeLink(n, this.#lastLink(n));
    const { header, links } = this.#tables;
    let link = this.#freeLink;
    if (link !== 0) this.#freeLink = this.#l(link, L_NEXT);
    else {
      link = header[HEADER.links] as number;
      if (link >= MAX_LINKS || !links.reach((link + 1) * LINK_WORDS * 4)) return false;
      header[HEADER.links] = link + 1;
    }
    const name = this.names.add(source, at, length);
    if (name === 0) {
      this.#putFreeLink(link);
      return false;
    }
    this.#setL(link, L_PARENT, parent);
    this.#setL(link, L_NAME, name);
    this.#setL(link, L_NEXT, this.#w(n, LINK));
    this.#setL(link, L_NODE, n);
    this.#set(parent, REFS, this.#w(parent, REFS) + 1);
    this.#set(n, LINK, link);
    return true;
  }

  #lastLink(n: number): number {
    let link = this.#w(n, LINK);
    for (let next = link; next !== 0; next = this.#l(next, L_NEXT)) link = next;
    return link;
  }

  removeLink(n: number, link: number): void {
    let previous = 0;
    for (let at = this.#w(n, LINK); at !== 0; previous = at, at = this.#l(at, L_NEXT)) {
      if (at !== link) continue;
      if (previous === 0) this.#set(n, LINK, this.#l(link, L_NEXT));
      else this.#setL(previous, L_NEXT, this.#l(link, L_NEXT));
      this.#maybeFree(this.#dropLink(link));
      return;
    }
  }

  /** Forgets one name of a node, if it is known. */
  removeName(n: number, parent: number, source: Uint8Array, at: number, length: number): void {
    for (let link = this.#w(n, LINK); link !== 0; link = this.#l(link, L_NEXT)) {
      if (this.#l(link, L_PARENT) !== parent || !this.names.equals(this.#l(link, L_NAME), source, at, length)) continue;
      this.removeLink(n, link);
      return;
    }
  }

  /** After a predecessor's death: keeps what is sound, drops the rest, and counts references anew. */
  #rebuild(): void {
    const { header } = this.#tables;
    const [firstNode, highNode] = [header[HEADER.firstNode] as number, header[HEADER.nodes] as number];
    for (let n = highNode - 1; n >= firstNode; n -= 1) {
      if (n === FUSE_ROOT_ID) continue;
      if (this.has(n)) this.#adopt(n);
      else this.#putFreeNode(n);
    }
    this.#adopt(FUSE_ROOT_ID);
    for (let link = (header[HEADER.links] as number) - 1; link >= 1; link -= 1) {
      const [node, parent, name] = [this.#l(link, L_NODE), this.#l(link, L_PARENT), this.#l(link, L_NAME)];
      const sound = this.has(node) && node !== FUSE_ROOT_ID && this.has(parent) && node !== parent && this.names.isSound(name);
      this.#setL(link, L_NODE, sound ? node : 0);
      if (!sound) {
        this.#putFreeLink(link);
        continue;
      }
      this.#setL(link, L_NEXT, this.#w(node, LINK));
      this.#set(node, LINK, link);
      this.#set(parent, REFS, this.#w(parent, REFS) + 1);
    }
    this.#rehash();
  }

  #adopt(n: number): void {
    this.#count += 1;
    for (const word of [REFS, LINK, HANDLE, NEXT]) this.#set(n, word, 0);
  }
}
