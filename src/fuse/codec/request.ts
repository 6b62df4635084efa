// A checked view of the request lying in memory. Nothing is copied: fields are offsets, names stay where the kernel put them and are
// passed on by address. `parse` is the only place that trusts lengths, and it trusts none it has not compared.
import type { Op } from "../abi/ops.ts";
import { fuse_ext_header, fuse_in_header, fuse_supp_groups } from "../abi/structs.ts";
import { FUSE_EXT_GROUPS } from "../abi/constants.ts";
import { IN, REQUEST, type Memory } from "./memory.ts";

const NAME_MAX = 255;

export class Request {
  readonly mem: Memory;
  opcode = 0;
  nodeid = 0;
  uid = 0;
  gid = 0;
  pid = 0;
  /** Where the struct, the names and the payload end; extensions follow. */
  end = 0;
  /** Byte offsets of the names, each ending in NUL; `payload` is what follows the last one. */
  name0 = 0;
  name1 = 0;
  payload = 0;
  /** The end of all, extensions included. */
  total = 0;

  constructor(mem: Memory) {
    this.mem = mem;
  }

  /** Reads the header. False: these bytes are no request, and there is nobody to answer. */
  parseHeader(length: number): boolean {
    const { mem } = this;
    if (length < fuse_in_header.SIZE || mem.word(REQUEST + fuse_in_header.len) !== length) return false;
    this.opcode = mem.word(REQUEST + fuse_in_header.opcode);
    this.nodeid = mem.word(REQUEST + fuse_in_header.nodeid + 4) === 0 ? mem.word(REQUEST + fuse_in_header.nodeid) : 0;
    this.uid = mem.word(REQUEST + fuse_in_header.uid);
    this.gid = mem.word(REQUEST + fuse_in_header.gid);
    this.pid = mem.word(REQUEST + fuse_in_header.pid);
    this.total = REQUEST + length;
    this.end = this.total - (mem.word(REQUEST + fuse_in_header.total_extlen) & 0xffff) * 8;
    return true;
  }

  /** Checks the body against the operation's row. False: too short, or a name without its NUL. */
  parseBody(op: Op): boolean {
    let at = IN + op.size;
    if (at > this.end) return false;
    if (op.names > 0) {
      this.name0 = at;
      at = this.afterName(at);
      if (at < 0) return false;
      if (op.names > 1) {
        this.name1 = at;
        at = this.afterName(at);
        if (at < 0) return false;
      }
    }
    this.payload = at;
    return true;
  }

  /** The offset behind the NUL of the string at `at`; -1 when the request ends before. */
  afterName(at: number): number {
    const nul = this.mem.bytes.indexOf(0, at);
    return nul < at || nul >= this.end ? -1 : nul + 1;
  }

  /** Length of the name at `at` without its NUL; -1 if it is empty, too long, "." or "..", or no single component. */
  nameLength(at: number): number {
    const { bytes } = this.mem;
    if (bytes[at] === 0x2e && (bytes[at + 1] === 0 || (bytes[at + 1] === 0x2e && bytes[at + 2] === 0))) return -1;
    for (let i = at; i < at + NAME_MAX + 1; i += 1) {
      const byte = bytes[i];
      if (byte === 0) return i === at ? -1 : i - at;
      if (byte === 0x2f) return -1;
    }
    return -1;
  }

  /** Offset of the groups (u32 each) of a FUSE_EXT_GROUPS extension and their count; count 0 when there is none. */
  groups(): { at: number; count: number } {
    const { mem } = this;
    for (let at = this.end; at >= IN && at + fuse_ext_header.SIZE <= this.total;) {
      const size = mem.word(at + fuse_ext_header.size);
      if (size < fuse_ext_header.SIZE || at + size > this.total) break;
      if (mem.word(at + fuse_ext_header.type) === FUSE_EXT_GROUPS && size >= fuse_ext_header.SIZE + fuse_supp_groups.SIZE) {
        const first = at + fuse_ext_header.SIZE + fuse_supp_groups.SIZE;
        const count = mem.word(at + fuse_ext_header.SIZE + fuse_supp_groups.nr_groups);
        if (first + count * 4 <= at + size) return { at: first, count };
      }
      at += (size + 7) & ~7;
    }
    return { at: 0, count: 0 };
  }
}
