// File names of known links, as bytes in flat memory: [length][bytes][NUL], so a name is passed to a system call by its address.
// Blocks come in multiples of 8 up to 264 bytes; freed ones are kept by size, in lists through their first words. Where these begin only this
// process knows.
import type { SharedTables } from "./shared-tables.ts";
import { HEADER } from "./table-layout.ts";

export class NameArena {
  readonly #tables: SharedTables;
  readonly #free: number[] = [];

  constructor(tables: SharedTables) {
    this.#tables = tables;
  }

  /** Stores `length` bytes of `source` from `at`; 0 when the region is full. */
  add(source: Uint8Array, at: number, length: number): number {
    const { names, header } = this.#tables;
    const size = (length + 2 + 7) & ~7;
    let offset = this.#free[size] ?? 0;
    if (offset !== 0) this.#free[size] = names.u32[offset >>> 2] as number;
    else {
      offset = header[HEADER.names] as number;
      if (!names.reach(offset + size)) return 0;
      header[HEADER.names] = offset + size;
    }
    const { bytes } = names;
    bytes[offset] = length;
    for (let i = 0; i < length; i += 1) bytes[offset + 1 + i] = source[at + i] as number;
    bytes[offset + 1 + length] = 0;
    return offset;
  }

  remove(offset: number): void {
    const { bytes, u32 } = this.#tables.names;
    const size = ((bytes[offset] as number) + 2 + 7) & ~7;
    u32[offset >>> 2] = this.#free[size] ?? 0;
    this.#free[size] = offset;
  }

  equals(offset: number, source: Uint8Array, at: number, length: number): boolean {
    const { bytes } = this.#tables.names;
    if (bytes[offset] !== length) return false;
    for (let i = 0; i < length; i += 1) if (bytes[offset + 1 + i] !== source[at + i]) return false;
    return true;
  }

  /** Whether a single component stands there, whoever wrote it. */
  isSound(offset: number): boolean {
    const { names, header } = this.#tables;
    const { bytes } = names;
    if (offset < 8 || offset % 8 !== 0 || offset + 2 > (header[HEADER.names] as number)) return false;
    const length = bytes[offset] as number;
    const end = offset + 1 + length;
    if (length === 0 || end >= (header[HEADER.names] as number) || bytes[end] !== 0) return false;
    if (bytes[offset + 1] === 0x2e && (length === 1 || (length === 2 && bytes[offset + 2] === 0x2e))) return false;
    for (let at = offset + 1; at < end; at += 1) if (bytes[at] === 0 || bytes[at] === 0x2f) return false;
    return true;
  }

  /** Address of the NUL-terminated name, for a system call. */
  address(offset: number): number {
    return this.#tables.names.address + offset + 1;
  }

  /** The name's bytes, for messages. */
  bytes(offset: number): Uint8Array {
    const { bytes } = this.#tables.names;
    return bytes.slice(offset + 1, offset + 1 + (bytes[offset] as number));
  }
}
