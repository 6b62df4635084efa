// One rx line per request and one tx line per reply, decoded by the operation table: what a bug report should contain.
import { errnoName } from "../../sys/errno.ts";
import { printableBytes } from "../../sys/text.ts";
import { opOf } from "../abi/ops.ts";
import { fuse_entry_out, fuse_in_header, fuse_open_out, fuse_out_header } from "../abi/structs.ts";
import { IN, OUT, REPLY, REQUEST, type Memory } from "./memory.ts";
import type { Request } from "./request.ts";

const uniqueOf = (mem: Memory): string =>
  ((BigInt(mem.word(REQUEST + fuse_in_header.unique + 4)) << 32n) | BigInt(mem.word(REQUEST + fuse_in_header.unique))).toString();

function fields(mem: Memory, layout: Readonly<Record<string, number>>, base: number, size: number): string {
  const entries = Object.entries(layout).filter(([name]) => name !== "SIZE");
  const shown: string[] = [];
  entries.forEach(([name, offset], i) => {
    const end = Math.min(entries[i + 1]?.[1] ?? (layout["SIZE"] as number), size);
    if (offset + 4 > end || /^(padding|unused|spare|dummy|reserved)/.test(name)) return;
    const value = end - offset === 8 ? mem.long(base + offset) : mem.word(base + offset);
    const octal = /^(mode|umask)$/.test(name)
      ? `0${value.toString(8)}`
      : /flags$|valid/.test(name)
        ? `0x${value.toString(16)}`
        : `${value}`;
    shown.push(`${name}=${octal}`);
  });
  return shown.join(" ");
}

/** The request in memory; call after it was parsed. */
export function traceRequest(mem: Memory, req: Request): string {
  const op = opOf(req.opcode);
  if (op === undefined) return `rx ${uniqueOf(mem)}: opcode ${req.opcode} n${req.nodeid}`;
  const parts = [`rx ${uniqueOf(mem)}: ${op.name} n${req.nodeid}`];
  if (op.layout !== undefined) parts.push(`{${fields(mem, op.layout, IN, Math.max(0, req.end - IN))}}`);
  const names = [req.name0, req.name1].slice(0, op.names);
  for (const at of names) parts.push(`"${printableBytes(mem.bytes.subarray(at, mem.bytes.indexOf(0, at)))}"`);
  if (op.name === "WRITE") parts.push(`${req.end - req.payload}b`);
  return `${parts.join(" ")} by ${req.uid}:${req.gid} pid ${req.pid}`;
}

/** The reply in memory, of `length` bytes; 0: none is due, or a lane gives it later. */
export function traceReply(mem: Memory, req: Request, length: number): string {
  const head = `tx ${uniqueOf(mem)}:`;
  if (length === 0) return `${head} none now`;
  const error = mem.i32[(REPLY + fuse_out_header.error) >>> 2] as number;
  if (error !== 0) return `${head} ${errnoName(-error)}`;
  const out = opOf(req.opcode)?.out ?? "";
  const size = length - fuse_out_header.SIZE;
  if (out.startsWith("fuse_entry_out") && size >= fuse_entry_out.SIZE) {
    const fh = out.includes("open") ? ` fh=${mem.long(OUT + fuse_entry_out.SIZE + fuse_open_out.fh)}` : "";
    return `${head} OK n${mem.long(OUT + fuse_entry_out.nodeid)} g${mem.long(OUT + fuse_entry_out.generation)}${fh}`;
  }
  if (out === "fuse_open_out") return `${head} OK {${fields(mem, fuse_open_out, OUT, size)}}`;
  return `${head} OK ${out === "empty" ? "" : `${out} `}${size}b`;
}
