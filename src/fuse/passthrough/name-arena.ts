// File names of known links, as bytes in flat memory: [length][bytes][NUL], so a name is passed to a system call by its address.
// Blocks come in multiples of 8 up to 264 bytes; freed ones are kept by size. The free lists live in this process only.
import { HEADER, type SharedTables } from "./shared-tables.ts";

export class NameArena {
  readonly #tables: SharedTables;
  readonly #free: number[][] = [];

  constructor(tables: SharedTables) {
    this.#tables = tables;
  }

  /** Stores `length` bytes of `source` from `at`; 0 when the region is full. */
  add(source: Uint8Array, at: number, length: number): number {
    const { names, header } = this.#tables;
    const size = (length + 2 + 7) & ~7;
    let offset = this.#free[size]?.pop() ?? 0;
    if (offset === 0) {
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
    const size = ((this.#tables.names.bytes[offset] as number) + 2 + 7) & ~7;
    (this.#free[size] ??= []).push(offset);
  }

  equals(offset: number, source: Uint8Array, at: number, length: number): boolean {
    const { bytes } = this.#tables.names;
    if (bytes[offset] !== length) return false;
    for (let i = 0; i < length; i += 1) if (bytes[offset + 1 + i] !== source[at + i]) return false;
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
