// Files that have lost their last name while somebody had them open die with whoever holds a descriptor of them. So the server gives a
// duplicate to the daemon before it removes the name, over the socket that descriptors come by; the next server gets them back. In the
// socket's queue a duplicate is safe already, whether or not the daemon has read it.
import { SysError } from "../sys/errno.ts";
import { FdMessage, receiveFds, type Received } from "../sys/socket.ts";

/** A file that cannot be opened again, by the node it is in the engine's tables. */
export interface KeptFile {
  readonly nodeid: number;
  readonly fd: number;
}

/** Descriptors in one message: SCM_MAX_FD is 253. */
const BATCH = 250;

const message = new FdMessage(8);

/** u32s: the mount's number and the node; with a descriptor: keep it; without: drop what is kept. Never waits. False: it was not taken. */
export function tellKeeper(socket: number, id: number, nodeid: number, fd?: number): boolean {
  message.data.writeUInt32LE(id, 0);
  message.data.writeUInt32LE(nodeid, 4);
  // If not: the daemon is stopped or gone, or too many descriptors are under way. These files end with the server.
  return message.send(socket, fd) > 0;
}

/** The next thing that was told; the descriptor is the caller's. */
export function hearKeeper(socket: number): { readonly id: number; readonly nodeid: number; readonly fd: number | undefined } | undefined {
  const received = receive(socket);
  if (received === undefined || received.data.length < 8) return undefined;
  return { id: received.data.readUInt32LE(0), nodeid: received.data.readUInt32LE(4), fd: received.fds[0] };
}

function receive(socket: number): Received | undefined {
  try {
    return receiveFds(socket, 8, 1, false);
  } catch (error) {
    // The server is gone and had not read all it was sent (ECONNRESET); or there is no descriptor left here.
    if (error instanceof SysError) return undefined;
    throw error;
  }
}

/** Gives duplicates of all to a new server by `pass`, as long as that takes them. @returns the number of messages. */
export async function sendKept(
  kept: ReadonlyMap<number, number>,
  pass: (data: Buffer, fds: readonly number[]) => Promise<boolean>,
): Promise<number> {
  const all = [...kept];
  let messages = 0;
  try {
    for (; messages * BATCH < all.length; messages += 1) {
      const batch = all.slice(messages * BATCH, (messages + 1) * BATCH);
      const nodes = Buffer.from(Uint32Array.from(batch, ([nodeid]) => nodeid).buffer);
      const fds = batch.map(([, fd]) => fd);
      if (!(await pass(nodes, fds))) break;
    }
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
  }
  return messages;
}

export function receiveKept(socket: number, messages: number): KeptFile[] {
  const kept: KeptFile[] = [];
  for (let n = 0; n < messages; n += 1) {
    const received = receiveFds(socket, BATCH * 4, BATCH, false);
    const nodes = new Uint32Array(Uint8Array.from(received?.data ?? []).buffer);
    received?.fds.forEach((fd, i) => kept.push({ nodeid: nodes[i] ?? 0, fd }));
  }
  return kept;
}
