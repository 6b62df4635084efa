// V8 runs a function hundreds of times before it compiles it well, and a cold request costs three times a warm one. So a thread that has nothing
// to do plays the kernel to itself for a while: lookups, attributes, listings and reads of this program's own directory over a socket
// pair, through the same session code. In slices of a few milliseconds, so that a real request hardly waits; failing is harmless.
import { readdirSync } from "node:fs";
import { F_SETFL, O_NONBLOCK } from "../sys/constants.ts";
import { raw } from "../sys/call.ts";
import { close } from "../sys/file.ts";
import { libc } from "../sys/libc.ts";
import { socketpair } from "../sys/socket.ts";
import { FUSE_ROOT_ID } from "./abi/constants.ts";
import { fuse_entry_out, fuse_in_header, fuse_out_header } from "./abi/structs.ts";
import type { Memory } from "./codec/memory.ts";
import { Session } from "./session.ts";
import { Turn } from "./turn.ts";

const ROUNDS = 120;
const OPCODE = { LOOKUP: 1, FORGET: 2, GETATTR: 3, OPEN: 14, READ: 15, RELEASE: 18, OPENDIR: 27, READDIRPLUS: 44, RELEASEDIR: 29 } as const;

export class WarmUp {
  readonly #session: Session;
  readonly #kernel: number;
  readonly #names: readonly string[];
  readonly #reply = Buffer.alloc(1 << 17);
  #rounds = 0;

  constructor(mem: Memory) {
    const [kernel, server] = socketpair("seqpacket");
    this.#kernel = kernel;
    raw(libc.fcntl, kernel, F_SETFL, O_NONBLOCK);
    const source = import.meta.dirname;
    this.#names = readdirSync(source).filter((name) => name.endsWith(".js"));
    const spec = { mountpoint: source, source, storage: source, cache: "shared", allowOther: false, trace: false } as const;
    const host = {
      defer: (_: Session, device: number, _lo: number, _hi: number, job: { fd: number }) => {
        [device, job.fd].forEach(close);
        return true;
      },
      makeRoom: () => false,
      log: () => {},
      negotiated: () => {},
      turn: new Turn(),
      unsettled: () => {},
    };
    this.#session = new Session(spec, server, undefined, mem, false, host);
  }

  /** Sends one request and reads its reply: true if there is one and it is no error. */
  #ask(opcode: number, nodeid: number, body: Uint8Array): boolean {
    const request = Buffer.alloc(fuse_in_header.SIZE + body.length);
    request.writeUInt32LE(request.length, fuse_in_header.len);
    request.writeUInt32LE(opcode, fuse_in_header.opcode);
    request.writeUInt32LE(nodeid, fuse_in_header.nodeid);
    request.set(body, fuse_in_header.SIZE);
    raw(libc.write, this.#kernel, request, request.length);
    this.#session.step();
    for (;;) {
      const length = raw(libc.read, this.#kernel, this.#reply, this.#reply.length);
      const error = length < fuse_out_header.SIZE ? -1 : this.#reply.readInt32LE(fuse_out_header.error);
      if (error <= 0) return length > fuse_out_header.SIZE && error === 0; // above 0: a notification
    }
  }

  /** The payload's first word: a node id or a handle. */
  #number(): number {
    return this.#reply.readUInt32LE(fuse_out_header.SIZE);
  }

  #file(name: string): void {
    if (!this.#ask(OPCODE.LOOKUP, FUSE_ROOT_ID, Buffer.from(`${name}\0`))) return;
    const nodeid = this.#number();
    this.#ask(OPCODE.GETATTR, nodeid, Buffer.alloc(16));
    if (this.#ask(OPCODE.OPEN, nodeid, Buffer.alloc(8))) {
      const handle = Buffer.alloc(40);
      handle.writeUInt32LE(this.#number(), 0);
      handle.writeUInt32LE(4096, 16);
      this.#ask(OPCODE.READ, nodeid, handle);
      this.#ask(OPCODE.RELEASE, nodeid, handle.subarray(0, 24));
    }
    const count = Buffer.alloc(8);
    count[0] = 1;
    this.#ask(OPCODE.FORGET, nodeid, count);
  }

  #list(): void {
    if (!this.#ask(OPCODE.OPENDIR, FUSE_ROOT_ID, Buffer.alloc(8))) return;
    const handle = Buffer.alloc(40);
    handle.writeUInt32LE(this.#number(), 0);
    handle.writeUInt32LE(fuse_entry_out.SIZE * 512, 16);
    this.#ask(OPCODE.READDIRPLUS, FUSE_ROOT_ID, handle);
    this.#ask(OPCODE.RELEASEDIR, FUSE_ROOT_ID, handle.subarray(0, 24));
  }

  /** One slice. False: it was the last one. */
  run(): boolean {
    for (const name of this.#names) this.#file(name);
    this.#list();
    this.#rounds += 1;
    return this.#rounds < ROUNDS;
  }

  close(): void {
    this.#session.close();
    close(this.#kernel);
  }
}
