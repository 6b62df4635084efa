// The flat memory behind the node and handle tables of one mount: an anonymous mapping, or a memfd that outlives this process so that
// a successor goes on with the same node ids. Sparse: the regions are generously placed and cost only the pages touched.
//
// What must stay true: a record is complete before anything points at it, so that a SIGKILL between any two stores leaves tables
// that a successor can check and mend; memory that is none of ours is thrown away for fresh tables, and ESTALE answers for what was known.
// Where free lists begin, and indexes, are not stored; they are rebuilt from the records.
import { randomInt } from "node:crypto";
import { mapAnonymous, mapShared, unmap, viewMapping, type Mapping } from "../../sys/memory.ts";
import { call } from "../../sys/call.ts";
import { libc } from "../../sys/libc.ts";
import { FUSE_ROOT_ID } from "../abi/constants.ts";
import { Journal } from "./journal.ts";
import {
  DEVICES,
  HANDLE_WORDS,
  HANDLES_AT,
  HEADER,
  HEADER_SIZE,
  LINK_WORDS,
  LINKS_AT,
  MAGIC,
  MAX_HANDLES,
  MAX_LINKS,
  MAX_NODES,
  NAMES_AT,
  NAMES_SIZE,
  NODE_WORDS,
  NODES_AT,
  SEAL,
  SEAL_KEY,
  TOTAL,
  VERSION,
} from "./table-layout.ts";

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
  readonly journal: Journal;
  /** Filled by a predecessor, and fit to be continued. */
  readonly resumed: boolean;
  /** There was a predecessor, and nothing is known of what it told the kernel: its nodes and open files are gone. */
  readonly lost: boolean;

  constructor(state?: { readonly fd: number; readonly resume: boolean }) {
    if (state === undefined) this.#mapping = mapAnonymous(TOTAL);
    else {
      if (!state.resume) clear(state.fd);
      call("ftruncate", "state", libc.ftruncate, state.fd, TOTAL);
      this.#mapping = mapShared(state.fd, TOTAL);
    }
    this.header = new Uint32Array(viewMapping(this.#mapping, 0, HEADER_SIZE));
    this.resumed = state?.resume === true && isSound(this.header, this.#region(NODES_AT, LINKS_AT, 0).u32);
    this.lost = state?.resume === true && !this.resumed;
    if (this.lost && state !== undefined) clear(state.fd);
    if (state !== undefined) call("close", "state", libc.close, state.fd); // the mapping keeps the memory
    if (!this.resumed) this.#begin();
    const h = this.header;
    this.handles = this.#region(HANDLES_AT, NODES_AT, (h[HEADER.handles] as number) * HANDLE_WORDS * 4);
    this.nodes = this.#region(NODES_AT, LINKS_AT, (h[HEADER.nodes] as number) * NODE_WORDS * 4);
    this.links = this.#region(LINKS_AT, NAMES_AT, (h[HEADER.links] as number) * LINK_WORDS * 4);
    this.names = this.#region(NAMES_AT, TOTAL, h[HEADER.names] as number);
    this.journal = new Journal(h, this.resumed);
  }

  #region(from: number, to: number, needed: number): Region {
    return new Region(this.#mapping, from, to - from, needed);
  }

  #begin(): void {
    const h = this.header;
    h.fill(0);
    h[HEADER.version] = VERSION;
    h[HEADER.magic] = MAGIC;
    h[HEADER.nodes] = h[HEADER.firstNode] = 1;
    h[HEADER.links] = 1;
    h[HEADER.handles] = h[HEADER.firstHandle] = this.lost ? (MAX_HANDLES >>> 1) + randomInt(MAX_HANDLES >>> 2) : 1;
    h[HEADER.names] = 8;
  }

  /** After the root, once the tables were lost: no number that the kernel may know of old is given out again. */
  skipKnownNodes(): void {
    const h = this.header;
    h[HEADER.nodes] = h[HEADER.firstNode] = (MAX_NODES >>> 1) + randomInt(MAX_NODES >>> 2);
  }

  /** Notes what INIT settled, in a way that is told from chance. */
  settle(minor: number, flags: number, flags2: number): void {
    const h = this.header;
    h[HEADER.minor] = minor;
    h[HEADER.flags] = flags;
    h[HEADER.flags2] = flags2;
    h[HEADER.check] = checkOf(h);
  }

  /** Notes that a node's mode is about to be changed for a moment, and which it has; node 0: it has it again. */
  noteMode(nodeid: number, mode: number): void {
    // A server that is killed between two of these must leave no mode to the wrong node.
    this.header[HEADER.modeNode] = 0;
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

/** Every byte 0. */
function clear(fd: number): void {
  call("ftruncate", "state", libc.ftruncate, fd, 0);
  call("ftruncate", "state", libc.ftruncate, fd, TOTAL);
}

const checkOf = (h: Uint32Array): number =>
  h.subarray(0, 5).reduce((sum, word) => Math.imul((sum ^ word) + 1, 0x01000193) >>> 0, 0x811c9dc5);

/** Whether a predecessor's memory can be continued; single records are looked at later, and dropped if they are not sound. */
function isSound(h: Uint32Array, nodes: Uint32Array): boolean {
  const between = (word: number, least: number, most: number): boolean => (h[word] as number) >= least && (h[word] as number) <= most;
  return (
    h[HEADER.magic] === MAGIC &&
    h[HEADER.version] === VERSION &&
    h[HEADER.minor] !== 0 &&
    h[HEADER.check] === checkOf(h) &&
    between(HEADER.firstNode, 1, MAX_NODES) &&
    between(HEADER.nodes, Math.max(2, h[HEADER.firstNode] as number), MAX_NODES) &&
    between(HEADER.firstHandle, 1, MAX_HANDLES) &&
    between(HEADER.handles, h[HEADER.firstHandle] as number, MAX_HANDLES) &&
    between(HEADER.links, 1, MAX_LINKS) &&
    between(HEADER.names, 8, NAMES_SIZE) &&
    between(HEADER.devices, 0, DEVICES) &&
    nodes[FUSE_ROOT_ID * NODE_WORDS + SEAL] === (FUSE_ROOT_ID ^ SEAL_KEY) >>> 0
  );
}
