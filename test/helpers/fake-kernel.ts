// The kernel's side of /dev/fuse on a socket pair (SOCK_SEQPACKET keeps requests apart as the device does), and an independent builder of
// its bytes: none of the codec under test is used, so the two cannot be wrong together.
import { close } from "../../src/sys/file.ts";
import { raw } from "../../src/sys/call.ts";
import { libc } from "../../src/sys/libc.ts";
import { socketpair } from "../../src/sys/socket.ts";
import { Memory } from "../../src/fuse/codec/memory.ts";
import { Session } from "../../src/fuse/session.ts";
import { Turn } from "../../src/fuse/turn.ts";
import type { CacheMode } from "../../src/config/config.ts";

/** Little-endian fields one after the other: numbers are u32, bigints u64, strings NUL-terminated names. */
export function fields(...parts: readonly (number | bigint | string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === "string") return Buffer.from(`${part}\0`, "latin1");
      if (typeof part === "object") return part;
      const out = Buffer.alloc(typeof part === "bigint" ? 8 : 4);
      if (typeof part === "bigint") out.writeBigUInt64LE(BigInt.asUintN(64, part));
      else out.writeUInt32LE(part >>> 0);
      return out;
    }),
  );
}

let unique = 2n;

/** A request: fuse_in_header and `body`. */
export function request(opcode: number, nodeid: bigint, body: Uint8Array = Buffer.alloc(0), id = (unique += 2n)): Buffer {
  return fields(40 + body.length, opcode, id, nodeid, process.getuid?.() ?? 0, process.getgid?.() ?? 0, process.pid, 0, body);
}

export interface Reply {
  readonly unique: bigint;
  readonly error: number;
  readonly data: Buffer;
}

/** A MiB and a page, as the kernel's own. */
const REPLY = Buffer.alloc((1 << 20) + 4096);

export class FakeKernel {
  readonly session: Session;
  readonly log: string[] = [];
  /** Notifications. */
  readonly told: Reply[] = [];
  features: readonly string[] | undefined;
  readonly #fd: number;
  #deferred = false;

  /** @param options `memory`: of the thread, for many sessions one after the other; `state`: memory of the tables, which this one takes over from a predecessor if `resume` says so. */
  constructor(
    source: string,
    options: { cache?: CacheMode; trace?: boolean; state?: { readonly fd: number; readonly resume: boolean }; memory?: Memory } = {},
  ) {
    const [ours, theirs] = socketpair("seqpacket");
    this.#fd = ours;
    const spec = {
      mountpoint: "/fake",
      source,
      storage: source,
      cache: options.cache ?? "shared",
      allowOther: false,
      trace: options.trace ?? false,
    };
    try {
      this.session = new Session(spec, theirs, options.state, options.memory ?? new Memory(), false, {
        defer: (_, device, _lo, _hi, job) => {
          this.#deferred = true;
          for (const fd of [device, job.fd, job.to]) if (fd >= 0) close(fd);
          return true;
        },
        makeRoom: () => false,
        log: (message) => this.log.push(message),
        negotiated: (features) => (this.features = features),
        turn: new Turn(),
        unsettled: () => {},
      });
    } catch (error) {
      close(ours);
      throw error;
    }
  }

  /** Sends bytes, lets the session take one step, and returns what that step found. */
  step(bytes: Uint8Array): number {
    raw(libc.write, this.#fd, bytes, bytes.length);
    return this.session.step();
  }

  /** Whether something was left to a lane since the last time, which has no lane here and drops it. */
  takeDeferred(): boolean {
    const deferred = this.#deferred;
    this.#deferred = false;
    return deferred;
  }

  /** The reply that is there; undefined when none is. What the kernel was told before it (error is the code) is in `told`. */
  reply(): Reply | undefined {
    for (;;) {
      const message = this.#message();
      if (message === undefined || message.error <= 0) return message;
      this.told.push(message);
    }
  }

  #message(): Reply | undefined {
    const buffer = REPLY;
    const control = raw(libc.fcntl, this.#fd, 4, 0o4000);
    const length = control < 0 ? control : raw(libc.read, this.#fd, buffer, buffer.length);
    if (length < 16) return undefined;
    const data = Buffer.from(buffer.subarray(16, length));
    if (buffer.readUInt32LE(0) !== length) throw new Error(`a reply of ${length} bytes says ${buffer.readUInt32LE(0)}`);
    return { error: buffer.readInt32LE(4), unique: buffer.readBigUInt64LE(8), data };
  }

  ask(bytes: Buffer): Reply {
    const found = this.step(bytes);
    const reply = this.reply();
    if (reply === undefined) throw new Error(`no reply (step ${found}) ${this.session.failure ?? ""}`);
    if (reply.unique !== bytes.readBigUInt64LE(8)) throw new Error("the reply names another request");
    return reply;
  }

  /** INIT as Linux 6.18 sends it. */
  init(minor = 45, flags = 0x7fffffff, flags2 = 0x7ff): Reply {
    return this.ask(request(26, 0n, fields(7, minor, 131_072, flags, flags2, Buffer.alloc(44))));
  }

  close(): void {
    this.session.close();
    close(this.#fd);
  }
}
