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

/** One mount with all that a successor needs. Whoever gets it owns the descriptors. */
export interface HandedMount {
  readonly engine: EngineName;
  readonly spec: ServeSpec;
  readonly device: number;
  readonly state: number;
}

interface Message {
  readonly engine: EngineName;
  readonly spec: ServeSpec;
}

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
        const { device, state, ...message } = mount;
        sendFds(fd, Buffer.from(JSON.stringify(message satisfies Message)), [device, state]);
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
      const received = receiveFds(socket, MAX_MESSAGE, 2, false);
      if (received === undefined || received.data.length === 0) break;
      const [device, state, ...extra] = received.fds;
      for (const fd of extra) close(fd);
      if (device === undefined || state === undefined) break;
      mounts.push({ ...(JSON.parse(received.data.toString("utf8")) as Message), device, state });
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
