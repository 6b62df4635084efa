// fh <-> an open file or directory of the storage. Which node and with which flags lies in flat memory, so a successor reopens it when
// it is first used; the descriptor itself belongs to this process. fh 0 means "none" and is never given out.
import { O_ACCMODE, O_APPEND, O_CLOEXEC, O_DIRECTORY, O_DSYNC, O_NONBLOCK, O_PATH, O_SYNC } from "../../sys/constants.ts";
import { hot } from "../../sys/hot.ts";
import type { InodeTable } from "./inode-table.ts";
import type { SharedTables } from "./shared-tables.ts";
import { HANDLE_WORDS, HEADER, MAX_HANDLES } from "./table-layout.ts";

const NODE = 0; // 0 when free
const FLAGS = 1; // open(2) flags of the storage's descriptor
const NEXT = 2; // of the node's handles

/** What a handle is opened with; whatever else stands in a predecessor's memory must create and truncate nothing. */
const REOPENED_WITH = O_ACCMODE | O_APPEND | O_SYNC | O_DSYNC | O_NONBLOCK | O_CLOEXEC | O_DIRECTORY | O_PATH;

/** What an open directory remembers between READDIRs: see dir.ts. */
export interface DirStream {
  /** The offset (d_off) that follows the last entry handed out, as two words. */
  lo: number;
  hi: number;
  /** Entries read from the storage but not yet handed out. */
  rest: Uint8Array | undefined;
}

export class HandleTable {
  readonly #tables: SharedTables;
  readonly #nodes: InodeTable;
  #fds = new Int32Array(64).fill(-1);
  readonly #streams = new Map<number, DirStream>();
  readonly #free: number[] = [];
  #count = 0;

  constructor(tables: SharedTables, nodes: InodeTable) {
    this.#tables = tables;
    this.#nodes = nodes;
    if (tables.resumed) this.#rebuild();
  }

  get count(): number {
    return this.#count;
  }

  #w(fh: number, word: number): number {
    return this.#tables.handles.u32[fh * HANDLE_WORDS + word] as number;
  }

  #set(fh: number, word: number, value: number): void {
    this.#tables.handles.u32[fh * HANDLE_WORDS + word] = value;
  }

  /** Takes `fd` over; 0 when the table is full. */
  open(nodeid: number, flags: number, fd: number): number {
    const { header, handles } = this.#tables;
    let fh = this.#free.pop() ?? 0;
    if (fh === 0) {
      fh = header[HEADER.handles] as number;
      if (fh >= MAX_HANDLES || !handles.reach((fh + 1) * HANDLE_WORDS * 4)) return 0;
      header[HEADER.handles] = fh + 1;
    }
    this.#grow(fh);
    this.#fds[fh] = fd;
    this.#set(fh, FLAGS, flags);
    this.#set(fh, NEXT, this.#nodes.firstHandle(nodeid));
    this.#set(fh, NODE, nodeid);
    this.#nodes.setFirstHandle(nodeid, fh);
    this.#count += 1;
    return fh;
  }

  #grow(fh: number): void {
    if (fh < this.#fds.length) return;
    const fds = new Int32Array(Math.max(fh + 1, this.#fds.length * 2)).fill(-1);
    fds.set(this.#fds);
    this.#fds = fds;
  }

  has(fh: number): boolean {
    const { header } = this.#tables;
    return fh >= (header[HEADER.firstHandle] as number) && fh < (header[HEADER.handles] as number) && this.#w(fh, NODE) !== 0;
  }

  /** The descriptor; -1 for one inherited from a predecessor and not reopened yet. */
  fd(fh: number): number {
    return this.#fds[fh] as number;
  }

  setFd(fh: number, fd: number): void {
    this.#fds[fh] = fd;
  }

  node(fh: number): number {
    return this.#w(fh, NODE);
  }

  flags(fh: number): number {
    return this.#w(fh, FLAGS);
  }

  setFlags(fh: number, flags: number): void {
    this.#set(fh, FLAGS, flags);
  }

  next(fh: number): number {
    return this.#w(fh, NEXT);
  }

  stream(fh: number): DirStream {
    let stream = this.#streams.get(fh);
    if (stream === undefined) this.#streams.set(fh, (stream = { lo: 0, hi: 0, rest: undefined }));
    return stream;
  }

  close(fh: number): void {
    const fd = this.take(fh);
    if (fd >= 0) hot.close(fd);
  }

  /** Ends a handle and gives its descriptor, or -1, to the caller. */
  take(fh: number): number {
    const nodeid = this.#w(fh, NODE);
    const fd = this.fd(fh);
    this.#fds[fh] = -1;
    this.#streams.delete(fh);
    let previous = 0;
    for (let at = this.#nodes.firstHandle(nodeid); at !== 0; previous = at, at = this.next(at)) {
      if (at !== fh) continue;
      if (previous !== 0) this.#set(previous, NEXT, this.next(fh));
      break;
    }
    this.#set(fh, NODE, 0);
    this.#free.push(fh);
    this.#count -= 1;
    if (previous === 0) this.#nodes.setFirstHandle(nodeid, this.next(fh));
    return fd;
  }

  /** Closes all descriptors; the records stay for a successor. */
  closeDescriptors(): void {
    for (const fd of this.#fds) if (fd >= 0) hot.close(fd);
    this.#fds.fill(-1);
  }

  #rebuild(): void {
    const { header } = this.#tables;
    const high = header[HEADER.handles] as number;
    this.#grow(high);
    for (let fh = high - 1; fh >= (header[HEADER.firstHandle] as number); fh -= 1) {
      const nodeid = this.#w(fh, NODE);
      if (!this.#nodes.has(nodeid)) {
        this.#set(fh, NODE, 0);
        this.#free.push(fh);
        continue;
      }
      this.#set(fh, FLAGS, this.flags(fh) & REOPENED_WITH);
      this.#set(fh, NEXT, this.#nodes.firstHandle(nodeid));
      this.#nodes.setFirstHandle(nodeid, fh);
      this.#count += 1;
    }
  }
}
