// Bytes in, bytes out: the request in memory is checked against the operation table, its handler runs, the reply is framed. No
// descriptor of a device, no clock, no thread. Whatever the bytes are, the outcome is a reply or none; a handler that throws is EIO for that
// request and a logged stack.
import { ERRNO } from "../sys/errno.ts";
import { opOf, OPS, type Op } from "./abi/ops.ts";
import { fuse_in_header, fuse_out_header } from "./abi/structs.ts";
import { FUSE_UNIQUE_RESEND_HI } from "./abi/constants.ts";
import { REPLY, REPLY_SIZE, REQUEST, type Memory } from "./codec/memory.ts";
import { Request } from "./codec/request.ts";
import { traceReply, traceRequest } from "./codec/trace.ts";
import { failpoint, failpoints } from "./failpoint.ts";
import { FAULTS } from "./faults.ts";
import { handlerOf, OF_SESSION, type Handler } from "./passthrough/handlers.ts";
import { CHANGE, type Journal } from "./passthrough/journal.ts";
import { DEFERRED, type Passthrough } from "./passthrough/passthrough.ts";
import { REPEATS, type Repeat } from "./passthrough/repeat.ts";

/** What the dispatcher is given by its session. */
export interface DispatchHost {
  readonly fs: Passthrough;
  /** Answers a request about the connection, which is no handler's: see OF_SESSION. */
  own(name: string): number;
  readonly journal: Journal;
  log(message: string): void;
  readonly trace: boolean;
}

const handlers: (Handler | undefined)[] = [];
const own: boolean[] = [];
const repeats: (Repeat | undefined)[] = [];
for (const op of OPS) {
  handlers[op.opcode] = handlerOf(op.name);
  own[op.opcode] = (OF_SESSION as readonly string[]).includes(op.name);
  repeats[op.opcode] = REPEATS[op.name];
}

export class Dispatcher {
  readonly #mem: Memory;
  readonly req: Request;
  readonly #host: DispatchHost;
  /** Answers that tell of a fault. */
  errors = 0;

  constructor(mem: Memory, req: Request, host: DispatchHost) {
    this.#mem = mem;
    this.req = req;
    this.#host = host;
  }

  /**
   * Handles the `length` bytes at REQUEST.
   * @returns bytes of reply at REPLY; 0 when there is none (yet); -1 when the bytes are no request at all.
   */
  dispatch(length: number): number {
    const { req } = this;
    if (!req.parseHeader(length)) return -1;
    const op = opOf(req.opcode);
    const wellFormed = op !== undefined && req.parseBody(op);
    if (this.#host.trace) this.#host.log(traceRequest(this.#mem, req));
    const result = wellFormed ? this.#run(op) : op === undefined ? -ERRNO.ENOSYS : -ERRNO.EIO;
    const reply = op?.reply === false || result === DEFERRED ? 0 : this.#frame(result);
    if (this.#host.trace) this.#host.log(traceReply(this.#mem, req, reply));
    return reply;
  }

  #run(op: Op): number {
    if (failpoints) failpoint("read", op, this.req);
    const { fs, journal } = this.#host;
    const lo = this.#mem.word(REQUEST + fuse_in_header.unique);
    const hi = this.#mem.word(REQUEST + fuse_in_header.unique + 4);
    const redelivered = hi >= FUSE_UNIQUE_RESEND_HI;
    if (redelivered && !journal.admits(lo, hi)) return -ERRNO.EIO;
    journal.begin(lo, hi, op.reply);
    if (op.refused !== undefined) return -ERRNO.ENOSYS;
    try {
      if (failpoints) failpoint("serve", op, this.req);
      if (own[op.opcode] === true) return this.#host.own(op.name);
      const repeat = repeats[op.opcode];
      const handler = handlers[op.opcode] as Handler;
      if (repeat !== undefined) return this.#change(op, repeat, handler, redelivered, lo, hi);
      const result = handler(fs);
      if (failpoints && !redelivered) failpoint("served", op, this.req);
      return result;
    } catch (error) {
      this.#host.log(`${op.name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      fs.creds.restore();
      return -ERRNO.EIO;
    } finally {
      fs.release();
    }
  }

  #change(op: Op, repeat: Repeat, handler: Handler, redelivered: boolean, lo: number, hi: number): number {
    const { fs, journal } = this.#host;
    const before = redelivered ? journal.changeState(lo, hi) : CHANGE.none;
    if (before === CHANGE.done && repeat.bare) return journal.changeResult;
    if (before === CHANGE.none) journal.beginChange(lo, hi);
    const result = handler(fs);
    const settled = before !== CHANGE.none && repeat.errnos.includes(-result) ? repeat.answer(fs) : result;
    if (failpoints && !redelivered) failpoint("served", op, this.req);
    journal.endChange(Math.min(settled, 0));
    return settled;
  }

  #frame(result: number): number {
    const mem = this.#mem;
    const fits = result >= 0 && result <= REPLY_SIZE - fuse_out_header.SIZE;
    const error = result < 0 ? result : fits ? 0 : -ERRNO.EIO;
    const length = fuse_out_header.SIZE + (error === 0 ? result : 0);
    if (error !== 0 && FAULTS.has(-error)) this.errors += 1;
    mem.setWord(REPLY + fuse_out_header.len, length);
    mem.i32[(REPLY + fuse_out_header.error) >>> 2] = error;
    mem.copyLong(REPLY + fuse_out_header.unique, REQUEST + fuse_in_header.unique);
    return length;
  }
}
