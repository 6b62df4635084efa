// How mounts outlive a daemon. The server goes on serving when its daemon dies, and listens on a socket in the runtime directory; the next
// daemon connects, the server answers what it has read, sends every mount's descriptors and ends. The new daemon's server then resumes.
import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../sys/constants.ts";
import { call } from "../sys/call.ts";
import { SysError } from "../sys/errno.ts";
import { close } from "../sys/file.ts";
import { libc } from "../sys/libc.ts";
import { peerUid, receiveFds, sendFds, unixAddress, waitReadable } from "../sys/socket.ts";
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

/** Descriptors in a message (SCM_MAX_FD is 253); files beyond end with their server. */
const MAX_FDS = 250;

const MAX_MESSAGE = 64 * 1024;
const ACK = Buffer.from([6]);
const DEADLINE_MS = 5_000;
/** The server's side: calls `give` when a new daemon asks, sends what it returns and then calls `done`. */
export function offerHandover(path: string, give: () => Promise<HandedMount[]>, done: () => void): Server {
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    const { fd } = (socket as Socket & { _handle: { fd: number } })._handle;
    socket.on("error", () => socket.destroy());
    const uid = peerUid(fd);
    if (uid !== 0 && uid !== process.getuid?.()) return void socket.destroy();
    void give().then((mounts) => {
      // One message, one acknowledgement: a stream keeps neither messages nor their descriptors apart.
      const sendNext = (): void => {
        const mount = mounts.shift();
        if (mount === undefined) return void socket.once("finish", done).end();
        const { device, state, engine, spec } = mount;
        const kept = (mount.kept ?? []).slice(0, MAX_FDS - 2);
        const message: Message = { engine, spec, nodes: kept.map(({ nodeid }) => nodeid) };
        sendFds(fd, Buffer.from(JSON.stringify(message)), [device, state, ...kept.map((file) => file.fd)]);
      };
      socket.on("data", sendNext);
    });
  });
  server.on("error", (error) => process.stderr.write(`mounts cannot be handed over: ${error.message}\n`));
  server.listen(path);
  return server;
}

/** Daemon's side: what an orphaned server hands over; nothing if there is none. Ends in a few seconds, whatever the other side does. */
export function askHandover(path: string): HandedMount[] {
  const socket = connect(path);
  if (socket === undefined) return [];
  const mounts: HandedMount[] = [];
  try {
    for (;;) {
      call("write", path, libc.write, socket, ACK, ACK.length);
      if (!waitReadable(socket, DEADLINE_MS)) break;
      const received = receiveFds(socket, MAX_MESSAGE, MAX_FDS, false);
      if (received === undefined || received.data.length === 0) break;
      const [device, state, ...files] = received.fds;
      if (device === undefined || state === undefined) break;
      const { nodes, ...mount } = JSON.parse(received.data.toString("utf8")) as Message;
      mounts.push({ ...mount, device, state, kept: files.map((fd, i) => ({ nodeid: nodes[i] ?? 0, fd })) });
    }
  } finally {
    close(socket);
  }
  return mounts;
}

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
