// A baseline: which files were there, and in which state, in 12 bytes each, so that a home of a million files fits in 12 MB on disk
// and 27 MB in memory. A path is its 64-bit hash; so a baseline can tell what appeared, what changed and how many went away, but
// not their names. File: one line of JSON, then records of three little-endian u32: hash, hash, signature of (ctime, size).
import { closeSync, openSync, readFileSync, readSync, statSync, writeFileSync } from "node:fs";
import { HmpersistError } from "../errors.ts";
import { replaceFile } from "./replace-file.ts";

const FORMAT = "hmpersist-baseline-1";
const RECORD = 3;
const CHUNK = 1 << 16;

/** A path's hash while it is being extended by names. */
export interface PathHash {
  readonly a: number;
  readonly b: number;
}

export const ROOT_HASH: PathHash = { a: 0x9e3779b1 | 0, b: 0x85ebca6b | 0 };

const SLASH = 0x2f;

/** The hash of "`parent`/`name`"; `name` ends in NUL. */
export function extendHash(parent: PathHash, name: Uint8Array): PathHash {
  let a = Math.imul(parent.a ^ SLASH, 0x9e3779b1);
  let b = Math.imul(parent.b ^ SLASH, 0x5f356495);
  for (let at = 0; at < name.length - 1; at += 1) {
    const byte = name[at] ?? 0;
    a = Math.imul(a ^ byte, 0x9e3779b1);
    b = Math.imul(b ^ byte, 0x5f356495);
    a ^= b >>> 15;
    b ^= a >>> 13;
  }
  return { a, b };
}

/** The hash of a path below the root, bytes as latin1; "" is the root's. */
export const hashOf = (path: string): PathHash =>
  path === "" ? ROOT_HASH : path.split("/").reduce((parent, name) => extendHash(parent, Buffer.from(`${name}\0`, "latin1")), ROOT_HASH);

/** What of a file must be the same for it to be unchanged. */
export function signature(ctime: number, size: number): number {
  const nanoseconds = Math.round((ctime % 1) * 1e9);
  let hash = Math.imul(Math.floor(ctime) ^ 0x2545f491, 0x9e3779b1) ^ Math.imul(nanoseconds, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15) ^ (size | 0), 0xc2b2ae35) ^ Math.floor(size / 4294967296);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Collects records; `save` writes them where nothing or the whole baseline is found. */
export class BaselineWriter {
  readonly #chunks: Uint32Array[] = [];
  #used = CHUNK * RECORD;
  count = 0;

  add(path: PathHash, signature: number): void {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || this.#used === CHUNK * RECORD) {
      chunk = new Uint32Array(CHUNK * RECORD);
      this.#chunks.push(chunk);
      this.#used = 0;
    }
    chunk[this.#used] = path.a;
    chunk[this.#used + 1] = path.b;
    chunk[this.#used + 2] = signature;
    this.#used += RECORD;
    this.count += 1;
  }

  save(file: string, home: string, taken: number): void {
    replaceFile(file, (fd) => {
      writeFileSync(fd, `${JSON.stringify({ format: FORMAT, home, taken, count: this.count })}\n`);
      this.#chunks.forEach((chunk, index) => {
        const length = index === this.#chunks.length - 1 ? this.#used : chunk.length;
        writeFileSync(fd, new Uint8Array(chunk.buffer, 0, length * 4));
      });
    });
  }
}

export interface BaselineHeader {
  readonly home: string;
  /** When it was taken, milliseconds since 1970. */
  readonly taken: number;
  readonly count: number;
}

/** Open addressing over the records, at most half full. */
export class Baseline {
  readonly header: BaselineHeader;
  readonly #slots: Uint32Array;
  readonly #state: Uint8Array;
  readonly #mask: number;
  #seen = 0;

  constructor(header: BaselineHeader, records: Buffer) {
    this.header = header;
    let capacity = 1024;
    while (capacity < header.count * 2) capacity *= 2;
    this.#mask = capacity - 1;
    this.#slots = new Uint32Array(capacity * RECORD);
    this.#state = new Uint8Array(capacity);
    for (let at = 0; at < records.length; at += RECORD * 4) {
      const a = records.readUInt32LE(at);
      const b = records.readUInt32LE(at + 4);
      const slot = this.#find(a, b);
      this.#slots[slot * RECORD] = a;
      this.#slots[slot * RECORD + 1] = b;
      this.#slots[slot * RECORD + 2] = records.readUInt32LE(at + 8);
      this.#state[slot] = 1;
    }
  }

  #find(a: number, b: number): number {
    let slot = (a ^ (b >>> 7)) & this.#mask;
    while (this.#state[slot] !== 0) {
      if (this.#slots[slot * RECORD] === a && this.#slots[slot * RECORD + 1] === b) break;
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  /** How a file that is there now stands to the baseline; each path is to be asked about once. */
  compare(path: PathHash, signature: number): "new" | "changed" | "same" {
    const slot = this.#find(path.a >>> 0, path.b >>> 0);
    if (this.#state[slot] === 0) return "new";
    this.#seen += 1;
    return this.#slots[slot * RECORD + 2] === signature ? "same" : "changed";
  }

  /** Files of the baseline that nobody asked about: they are gone. */
  get gone(): number {
    return this.header.count - this.#seen;
  }
}

/**
 * Throws HMP_REFUSED where something stands at `file` that a baseline may not replace, anything but a baseline and an empty file, and
 * HMP_ENVIRONMENT where that cannot be told.
 */
export function checkReplaceable(file: string): void {
  try {
    const found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined || (found.isFile() && (found.size === 0 || startOf(file).startsWith(`{"format":"${FORMAT}"`)))) return;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new HmpersistError("HMP_ENVIRONMENT", `${file} cannot be looked at: ${reason}`, "name another file: --save-baseline FILE");
  }
  throw new HmpersistError("HMP_REFUSED", `${file} is there and no baseline`, "name another file; nothing was overwritten");
}

function startOf(file: string): string {
  const fd = openSync(file, "r");
  try {
    const start = Buffer.alloc(64);
    return start.toString("utf8", 0, readSync(fd, start));
  } finally {
    closeSync(fd);
  }
}

/** Reads a baseline of `home`. Throws HMP_USAGE where there is none, or something else. */
export function loadBaseline(file: string, home: string): Baseline {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new HmpersistError(
      "HMP_USAGE",
      `no baseline at ${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      "take one: hmpersist ephemeral --save-baseline",
    );
  }
  const end = bytes.indexOf(0x0a);
  const header = parseHeader(bytes.subarray(0, Math.max(end, 0)).toString("utf8"));
  const records = bytes.subarray(end + 1);
  if (header === undefined || records.length !== header.count * RECORD * 4) {
    throw new HmpersistError(
      "HMP_USAGE",
      `${file} is no baseline, or a damaged one`,
      "take a new one: hmpersist ephemeral --save-baseline",
    );
  }
  if (header.home !== home) {
    throw new HmpersistError(
      "HMP_USAGE",
      `${file} is the baseline of another home, ${header.home}`,
      "name another file, or take a new one",
    );
  }
  return new Baseline(header, records);
}

function parseHeader(line: string): BaselineHeader | undefined {
  try {
    const { format, home, taken, count } = JSON.parse(line) as Partial<BaselineHeader & { format: string }>;
    if (format !== FORMAT || typeof home !== "string" || typeof taken !== "number" || !Number.isSafeInteger(count)) return undefined;
    return { home, taken, count: count as number };
  } catch {
    return undefined;
  }
}
