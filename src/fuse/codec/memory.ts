// The one piece of memory of a serving thread: request in, reply out, and scratch for the system calls between. It is mapped once, so
// every field is an index into typed arrays and every pointer a number. Words are the machine's byte order, which is the kernel's.
//
//   REQUEST            REPLY                     STATX  STATFS TIMES PATH ...   DIRENTS
//   | in_header struct | out_header struct, data | scratch for system calls    | getdents64 |
import { mapAnonymous, viewMapping, type Mapping } from "../../sys/memory.ts";
import { fuse_in_header, fuse_out_header } from "../abi/structs.ts";

/** The largest payload of one READ or WRITE: 256 pages, the kernel's default fs.fuse.max_pages_limit. */
export const MAX_IO = 1 << 20;
const SLACK = 1 << 16;

export const REQUEST = 0;
export const REQUEST_SIZE = MAX_IO + SLACK;
export const REPLY = REQUEST + REQUEST_SIZE;
export const REPLY_SIZE = MAX_IO + SLACK;
const SCRATCH = REPLY + REPLY_SIZE;

/** Where a request's struct and a reply's payload begin. */
export const IN = REQUEST + fuse_in_header.SIZE;
export const OUT = REPLY + fuse_out_header.SIZE;

export const STATX_AT = SCRATCH;
export const STATFS_AT = SCRATCH + 256;
export const TIMES_AT = SCRATCH + 512;
export const PATH_AT = SCRATCH + 576;
export const OFFSETS_AT = SCRATCH + 640;
export const IOVEC_AT = SCRATCH + 704;
export const IOCTL_AT = SCRATCH + 736;
/** struct __user_cap_header_struct and two __user_cap_data_struct. */
export const CAPS_AT = SCRATCH + 832;
/** "" for AT_EMPTY_PATH, and ".". */
export const EMPTY_AT = SCRATCH + 768;
export const DOT_AT = SCRATCH + 776;
export const EVENTS_AT = SCRATCH + 1024;
export const GROUPS_AT = SCRATCH + 4096;
export const DIRENTS_AT = SCRATCH + 8192;
export const DIRENTS_SIZE = 32768;
const TOTAL = DIRENTS_AT + DIRENTS_SIZE;

export class Memory {
  readonly mapping: Mapping = mapAnonymous(TOTAL);
  readonly address: number = this.mapping.address;
  readonly buffer: ArrayBuffer = viewMapping(this.mapping, 0, TOTAL);
  readonly bytes: Buffer = Buffer.from(this.buffer);
  readonly u32: Uint32Array = new Uint32Array(this.buffer);
  readonly i32: Int32Array = new Int32Array(this.buffer);

  constructor() {
    this.bytes[DOT_AT] = 0x2e;
  }

  /** The 32-bit word at a byte offset (a multiple of 4). */
  word(at: number): number {
    return this.u32[at >>> 2] as number;
  }

  setWord(at: number, value: number): void {
    this.u32[at >>> 2] = value;
  }

  /** A 64-bit field as a number; beyond 2^53 it loses precision, so callers bound what they accept. */
  long(at: number): number {
    const i = at >>> 2;
    return (this.u32[i] as number) + (this.u32[i + 1] as number) * 0x100000000;
  }

  /** Stores a non-negative integer below 2^53. */
  setLong(at: number, value: number): void {
    const i = at >>> 2;
    this.u32[i] = value >>> 0;
    this.u32[i + 1] = Math.floor(value / 0x100000000);
  }

  /** Copies a 64-bit field bit by bit. */
  copyLong(to: number, from: number): void {
    const t = to >>> 2;
    const f = from >>> 2;
    this.u32[t] = this.u32[f] as number;
    this.u32[t + 1] = this.u32[f + 1] as number;
  }

  /** Zeroes `size` bytes (a multiple of 4) at `at`. */
  clear(at: number, size: number): void {
    this.u32.fill(0, at >>> 2, (at + size) >>> 2);
  }
}
