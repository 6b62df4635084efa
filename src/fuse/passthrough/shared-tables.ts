// The flat memory behind the node and handle tables of one mount: an anonymous mapping, or a memfd that outlives this process so that
// a successor goes on with the same node ids. Sparse: the regions are generously placed and cost only the pages touched.
//
//   | header 4 KiB | handles | nodes | links | names |
//
// What must stay true: a record is complete before anything points at it, so that a SIGKILL between any two stores leaves tables
// that `resume` can check and mend. Free lists and indexes are not stored; they are rebuilt from the records.
import { mapAnonymous, mapShared, unmap, viewMapping, type Mapping } from "../../sys/memory.ts";
import { call } from "../../sys/call.ts";
import { libc } from "../../sys/libc.ts";

const MAGIC = 0x31504d48; // "HMP1"
const VERSION = 1;

/** Header words. */
export const HEADER = {
  magic: 0,
  version: 1,
  /** What INIT settled; 0 while it has not happened. A successor gets no INIT. */
  minor: 2,
  flags: 3,
  flags2: 4,
  maxWrite: 5,
  /** High-water marks: records beyond were never used. */
  nodes: 8,
  links: 9,
  handles: 10,
  names: 11,
  /** Device numbers, two words each; the count precedes. */
  devices: 15,
  device0: 16,
  /** The unique, two words, of the redelivered request that is being run; there is one thread. */
  redelivered0: 258,
  /** The last change of names that was begun: its unique (two words, without the redelivery bit), CHANGE, and its result. */
  change0: 260,
  changeState: 262,
  changeResult: 263,
  /** A mode that was changed for a moment: the node, 0 for none, and the mode it must have again. */
  modeNode: 264,
  mode: 265,
} as const;
export const DEVICES = 100;

/** How far the noted change got. */
export const CHANGE = { none: 0, begun: 1, done: 2 } as const;

const HEADER_SIZE = 4096;
export const HANDLE_WORDS = 4;
export const MAX_HANDLES = 1 << 18;
export const NODE_WORDS = 12;
export const MAX_NODES = 1 << 21;
export const LINK_WORDS = 4;
export const MAX_LINKS = MAX_NODES + (MAX_NODES >> 1);
const NAMES_SIZE = MAX_LINKS * 24;

const HANDLES_AT = HEADER_SIZE;
const NODES_AT = HANDLES_AT + MAX_HANDLES * HANDLE_WORDS * 4;
const LINKS_AT = NODES_AT + MAX_NODES * NODE_WORDS * 4;
const NAMES_AT = LINKS_AT + MAX_LINKS * LINK_WORDS * 4;
const TOTAL = NAMES_AT + NAMES_SIZE;

/** One region, of which a view as large as needed is open: V8 accounts for views, not for the mapping. */
export class Region {
  readonly address: number;
  readonly #mapping: Mapping;
  readonly #at: number;
  readonly #limit: number;
  u32: Uint32Array;
  bytes: Uint8Array;

  constructor(mapping: Mapping, at: number, limit: number, needed: number) {
    this.#mapping = mapping;
    this.#at = at;
    this.#limit = limit;
    this.address = mapping.address + at;
    let size = Math.min(limit, 1 << 16);
    while (size < needed && size < limit) size *= 2;
    const buffer = viewMapping(mapping, at, Math.min(size, limit));
    this.u32 = new Uint32Array(buffer);
    this.bytes = new Uint8Array(buffer);
  }

  /** Makes bytes up to `end` reachable; false when the region is full. */
  reach(end: number): boolean {
    if (end <= this.bytes.length) return true;
    if (end > this.#limit) return false;
    const buffer = viewMapping(this.#mapping, this.#at, Math.min(this.#limit, Math.max(end, this.bytes.length * 2)));
    this.u32 = new Uint32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    return true;
  }
}

export class SharedTables {
  readonly #mapping: Mapping;
  readonly header: Uint32Array;
  readonly handles: Region;
  readonly nodes: Region;
  readonly links: Region;
  readonly names: Region;
  /** Filled by a predecessor, and fit to be continued. */
  readonly resumed: boolean;

  constructor(state?: { readonly fd: number; readonly resume: boolean }) {
    if (state === undefined) this.#mapping = mapAnonymous(TOTAL);
    else {
      if (!state.resume) call("ftruncate", "state", libc.ftruncate, state.fd, 0);
      call("ftruncate", "state", libc.ftruncate, state.fd, TOTAL);
      this.#mapping = mapShared(state.fd, TOTAL);
      call("close", "state", libc.close, state.fd); // the mapping keeps the memory
    }
    this.header = new Uint32Array(viewMapping(this.#mapping, 0, HEADER_SIZE));
    const h = this.header;
    this.resumed = state?.resume === true && h[HEADER.magic] === MAGIC && h[HEADER.version] === VERSION && h[HEADER.minor] !== 0;
    if (!this.resumed) {
      h.fill(0);
      h[HEADER.version] = VERSION;
      h[HEADER.magic] = MAGIC;
      h[HEADER.nodes] = 1;
      h[HEADER.links] = 1;
      h[HEADER.handles] = 1;
      h[HEADER.names] = 8;
    }
    const used = (word: number, size: number, limit: number): number => Math.min(limit, (h[word] as number) * size);
    this.handles = new Region(
      this.#mapping,
      HANDLES_AT,
      NODES_AT - HANDLES_AT,
      used(HEADER.handles, HANDLE_WORDS * 4, NODES_AT - HANDLES_AT),
    );
    this.nodes = new Region(this.#mapping, NODES_AT, LINKS_AT - NODES_AT, used(HEADER.nodes, NODE_WORDS * 4, LINKS_AT - NODES_AT));
    this.links = new Region(this.#mapping, LINKS_AT, NAMES_AT - LINKS_AT, used(HEADER.links, LINK_WORDS * 4, NAMES_AT - LINKS_AT));
    this.names = new Region(this.#mapping, NAMES_AT, NAMES_SIZE, used(HEADER.names, 1, NAMES_SIZE));
  }

  /**
   * Marks a redelivered request as being run. False when the mark of the same request is there already: whoever ran it died of it,
   * or at least while running it, and the next one must not.
   */
  admitRedelivered(lo: number, hi: number): boolean {
    const h = this.header;
    const killed = h[HEADER.redelivered0] === lo && h[HEADER.redelivered0 + 1] === hi;
    h[HEADER.redelivered0] = killed ? 0 : lo;
    h[HEADER.redelivered0 + 1] = killed ? 0 : hi;
    return !killed;
  }

  /** The redelivered request was run, or is a lane's by now, and nobody died of it. */
  settleRedelivered(): void {
    this.header[HEADER.redelivered0] = 0;
    this.header[HEADER.redelivered0 + 1] = 0;
  }

  /** Notes that a change begins; there is one thread, so one note is enough. */
  beginChange(lo: number, hi: number): void {
    const h = this.header;
    h[HEADER.change0] = lo;
    h[HEADER.change0 + 1] = hi & 0x7fffffff;
    h[HEADER.changeState] = CHANGE.begun;
  }

  endChange(result: number): void {
    this.header[HEADER.changeResult] = result;
    this.header[HEADER.changeState] = CHANGE.done;
  }

  /** How far a predecessor got with this redelivered request. */
  changeState(lo: number, hi: number): number {
    const h = this.header;
    const noted = h[HEADER.change0] === lo && h[HEADER.change0 + 1] === (hi & 0x7fffffff);
    return noted ? (h[HEADER.changeState] as number) : CHANGE.none;
  }

  /** The result of the noted change: 0 or -errno. */
  get changeResult(): number {
    return (this.header[HEADER.changeResult] as number) | 0;
  }

  /** Notes that a node's mode is about to be changed for a moment, and which it has; node 0: it has it again. */
  noteMode(nodeid: number, mode: number): void {
    this.header[HEADER.mode] = mode;
    this.header[HEADER.modeNode] = nodeid;
  }

  get notedMode(): { readonly nodeid: number; readonly mode: number } {
    return { nodeid: this.header[HEADER.modeNode] as number, mode: this.header[HEADER.mode] as number };
  }

  /** Gives the memory back; nothing may use the tables afterwards. */
  close(): void {
    unmap(this.#mapping);
  }
}
