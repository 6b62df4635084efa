// How mounts outlive a daemon. The server goes on serving when its daemon dies, and listens on a socket in the runtime directory; the next
// daemon connects, the server answers what it has read, sends each mount's descriptors when that is done, and ends when it has none left. The
// new daemon's server then resumes.
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../sys/constants.ts";
import { call, raw } from "../sys/call.ts";
import { SysError } from "../sys/errno.ts";
import { close } from "../sys/file.ts";
import { libc, watchReadable } from "../sys/libc.ts";
import { fdOf, peerUid, receiveFds, sendFds, unixAddress, type Received } from "../sys/socket.ts";
import type { EngineName, ServeSpec } from "./engine.ts";
import type { KeptFile } from "./keeping.ts";

/** One mount with all that a successor needs. Whoever gets it owns the descriptors. */
export interface HandedMount {
  readonly engine: EngineName;
  readonly spec: ServeSpec;
  readonly device: number;
  readonly state: number;
  /** Files without a name. */
  readonly kept?: readonly KeptFile[] | undefined;
}

interface Message {
  readonly engine: EngineName;
  readonly spec: ServeSpec;
  /** The nodes of the descriptors that follow the first two. */
  readonly nodes: readonly number[];
}

/** A mount that an orphaned server has to give. */
export interface Offer {
  /** Answers what was read and reads no more, so that nothing is in flight when the successor begins. A storage that hangs keeps it waiting. */
  stop(): Promise<HandedMount>;
  /** The next daemon has it. */
  given(mount: HandedMount): void;
  /** Nobody took it: it goes on as before. */
  resume(mount: HandedMount): void;
}

/** Descriptors in a message (SCM_MAX_FD is 253); files beyond end with their server. */
const MAX_FDS = 250;

const MAX_MESSAGE = 64 * 1024;
const ACK = Buffer.from([6]);

/** A daemon that takes mounts over. One message, one acknowledgement: a stream keeps neither messages nor their descriptors apart. */
class Taker {
  readonly #socket: Socket;
  #turn: Promise<unknown> = Promise.resolve();
  #answered: (taken: boolean) => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", () => this.#answered(true));
    socket.on("close", () => this.#answered(false));
  }

  /** Whether it has taken the mount. If not, it is gone. */
  take(mount: HandedMount): Promise<boolean> {
    const taken = this.#turn.then(() => this.#send(mount));
    this.#turn = taken;
    return taken;
  }

  /** There is nothing more. */
  end(then: () => void): void {
    this.#socket.once("close", then).end();
  }

  #send({ engine, spec, device, state, kept = [] }: HandedMount): Promise<boolean> {
    const files = kept.slice(0, MAX_FDS - 2);
    const message: Message = { engine, spec, nodes: files.map(({ nodeid }) => nodeid) };
    return new Promise((resolve) => {
      this.#answered = resolve;
      try {
        sendFds(fdOf(this.#socket), Buffer.from(JSON.stringify(message)), [device, state, ...files.map(({ fd }) => fd)]);
      } catch {
        this.#socket.destroy();
        resolve(false);
      }
    });
  }
}

/**
 * The server's side: a daemon that asks is given every mount as soon as it is stopped; when it has all of them `done` is called. What it did
 * not acknowledge it did not get.
 */
export function offerHandover(path: string, offers: () => readonly Offer[], done: () => void): void {
  rmSync(path, { force: true });
  /** The one that came last: those before are dead. */
  let taker: Taker | undefined;
  const giving = new Set<Offer>();

  const endIfDone = (): void => {
    if (offers().length > 0) return;
    if (taker === undefined) done();
    else taker.end(done);
  };
  const give = async (offer: Offer): Promise<void> => {
    giving.add(offer);
    const mount = await offer.stop();
    let taken = false;
    for (let to = taker; to !== undefined && !taken; to = taker) {
      taken = await to.take(mount);
      if (!taken && taker === to) taker = undefined;
    }
    giving.delete(offer);
    if (taken) offer.given(mount);
    else offer.resume(mount);
    endIfDone();
  };
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    const uid = peerUid(fdOf(socket));
    if (uid !== 0 && uid !== process.getuid?.()) return void socket.destroy();
    // Nothing is stopped for somebody who has not said a word.
    socket.once("data", () => {
      const mine = new Taker(socket);
      taker = mine;
      socket.once("close", () => {
        if (taker === mine) taker = undefined;
      });
      for (const offer of offers()) if (!giving.has(offer)) void give(offer);
      endIfDone();
    });
  });
  server.on("error", (error) => process.stderr.write(`mounts cannot be handed over: ${error.message}\n`));
  server.listen(path);
}

/** Daemon's side: what an orphaned server hands over, if there is one. It goes on serving until `begin`. */
export class Handover {
  /** Whether there is one. */
  readonly offered: boolean;
  /** Settles when nothing more will come. A mount whose storage hangs comes when that answers. */
  readonly done: Promise<void>;
  readonly #take: (mount: HandedMount) => void;
  #begin: () => void = () => {};
  #end: () => void = () => {};

  constructor(path: string, take: (mount: HandedMount) => void) {
    this.#take = take;
    const socket = connect(path);
    this.offered = socket !== undefined;
    this.done = new Promise((resolve) => {
      if (socket === undefined) return resolve();
      const unwatch = watchReadable(socket, () => {
        if (!this.#receive(socket)) this.#end();
      });
      this.#begin = () => this.#acknowledge(socket);
      this.#end = () => {
        this.#begin = this.#end = () => {};
        unwatch();
        close(socket);
        resolve();
      };
    });
  }

  /** Asks for the mounts: each is stopped, and waits for whoever takes it. */
  begin(): void {
    this.#begin();
  }

  /** Takes no more: what was not taken its server goes on with. */
  close(): void {
    this.#end();
  }

  // The server is there, or has died and cannot mind.
  #acknowledge(socket: number): void {
    raw(libc.write, socket, ACK, ACK.length);
  }

  /** @returns whether there may be more. */
  #receive(socket: number): boolean {
    const received = receiveMessage(socket);
    if (received === undefined) return true;
    const [device, state, ...files] = received.fds;
    if (device === undefined || state === undefined) return false;
    const { nodes, ...mount } = JSON.parse(received.data.toString("utf8")) as Message;
    this.#acknowledge(socket);
    this.#take({ ...mount, device, state, kept: files.map((fd, i) => ({ nodeid: nodes[i] ?? 0, fd })) });
    return true;
  }
}

function receiveMessage(socket: number): Received | undefined {
  try {
    return receiveFds(socket, MAX_MESSAGE, MAX_FDS, false);
  } catch (error) {
    if (error instanceof SysError) return { data: Buffer.alloc(0), fds: [] };
    throw error;
  }
}

/** Undefined: nobody listens there. */
function connect(path: string): number | undefined {
  const socket = call("socket", undefined, libc.socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const address = unixAddress(path);
  try {
    call("connect", path, libc.connect, socket, address, address.length);
    return socket;
  } catch (error) {
    close(socket);
    if (error instanceof SysError) return undefined;
    throw error;
  }
}
