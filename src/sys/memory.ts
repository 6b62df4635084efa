// Mapped memory: at a fixed address for as long as it is mapped, so system calls take addresses into it and JavaScript takes views.
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "./constants.ts";
import { settled } from "./call.ts";
import { SysError } from "./errno.ts";
import { hot } from "./hot.ts";
import { viewOf } from "./libc.ts";

const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;

/** One mapping. Pages cost memory only once touched, so `length` may be generous. */
export interface Mapping {
  readonly address: number;
  readonly length: number;
}

function map(length: number, flags: number, fd: number): Mapping {
  const address = settled(hot.mmap(0, length, PROT_READ | PROT_WRITE, flags, fd, 0));
  if (address < 0) throw new SysError("mmap", -address, `${length} bytes`);
  return { address, length };
}

/** `length` bytes of zeros, this process's own. Throws SysError (ENOMEM). */
export const mapAnonymous = (length: number): Mapping => map(length, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
/** The first `length` bytes of the file `fd`, shared with whoever maps them too; beyond its end they must not be touched (SIGBUS). */
export const mapShared = (fd: number, length: number): Mapping => map(length, MAP_SHARED, fd);

/** Bytes of a mapping as an ArrayBuffer; V8 accounts for its length, so views are made as large as needed, not as the mapping. */
export function viewMapping(mapping: Mapping, offset: number, length: number): ArrayBuffer {
  if (offset < 0 || offset + length > mapping.length) throw new RangeError("a view must lie within its mapping");
  return viewOf(BigInt(mapping.address + offset), length);
}

/** munmap(2): every view of it is invalid from here on, and must be unreachable. */
export const unmap = (mapping: Mapping): void => void hot.munmap(mapping.address, mapping.length);
