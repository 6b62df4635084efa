// The daemon's end of the control socket. The directory is 0700 and the peer's uid is checked, so only the owner (and root) is heard.
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { EXIT, HmpersistError } from "../../errors.ts";
import { fdOf, hasHungUp, peerUid } from "../../sys/socket.ts";
import type { Log } from "../../log.ts";
import { MAX_MESSAGE, parseRequest, type ControlReply, type ControlRequest } from "./protocol.ts";

/** `isWanted`: whether anybody still waits for the answer; not asked once the work has begun. */
export type Handler = (request: ControlRequest, isWanted: () => boolean) => Promise<unknown>;

const IDLE_MS = 60_000;

/** Listens on `path`, taking over a stale socket; the caller holds the instance lock, so nobody else can own it. */
export async function listen(path: string, handler: Handler, log: Log): Promise<Server> {
  makeRoom(path);
  const server = createServer({ allowHalfOpen: true }, (socket) => accept(socket, handler, log));
  server.listen(path);
  try {
    await once(server, "listening");
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new HmpersistError(
      "HMP_ENVIRONMENT",
      `cannot listen at ${path}: ${code}`,
      "make room on that file system, and check its permissions",
    );
  }
  // Where no descriptor is left for another connection, the ones there are go on.
  server.on("error", (error) => log.error({ error: error.message }, "control connection not accepted"));
  chmodSync(path, 0o600);
  return server;
}

function makeRoom(path: string): void {
  try {
    // Whatever was left there, a link itself and not what it leads to.
    rmSync(path, { force: true });
  } catch (error) {
    const { message } = error as Error;
    throw new HmpersistError("HMP_ENVIRONMENT", `the control socket cannot be made: ${message}`, `remove ${path}`, { cause: error });
  }
}

function accept(socket: Socket, handler: Handler, log: Log): void {
  socket.on("error", () => socket.destroy());
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  const uid = uidOf(socket);
  if (uid !== 0 && uid !== process.getuid?.()) {
    log.warn({ uid }, "control connection refused");
    socket.destroy();
    return;
  }
  // It went away in the middle of something.
  converse(socket, handler, log).catch(() => socket.destroy());
}

// One request after the other: nothing more is read before the reply to the last one is on its way.
async function converse(socket: Socket, handler: Handler, log: Log): Promise<void> {
  let unfinished: string[] = [];
  let length = 0;
  socket.setEncoding("utf8");
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    const lines = chunk.split("\n");
    const last = lines.pop() ?? "";
    for (const line of lines) {
      const whole = [...unfinished, line].join("");
      unfinished = [];
      length = 0;
      if (whole.length > MAX_MESSAGE) return void socket.destroy();
      // A long command is not an idle connection.
      socket.setTimeout(0);
      const reply = await answer(whole, (request) => handler(request, () => isHeard(socket)), log);
      if (!socket.write(`${JSON.stringify(reply)}\n`)) await Promise.race([once(socket, "drain"), once(socket, "close")]);
      socket.setTimeout(IDLE_MS);
    }
    unfinished.push(last);
    length += last.length;
    if (length > MAX_MESSAGE) return void socket.destroy();
  }
  // Who has asked all may listen yet.
  socket.end();
}

function uidOf(socket: Socket): number | undefined {
  const fd = fdOf(socket);
  return fd < 0 ? undefined : peerUid(fd);
}

function isHeard(socket: Socket): boolean {
  const fd = fdOf(socket);
  return fd >= 0 && !hasHungUp(fd);
}

async function answer(line: string, handler: (request: ControlRequest) => Promise<unknown>, log: Log): Promise<ControlReply> {
  const request = parseRequest(line);
  if (request === undefined) {
    return {
      ok: false,
      code: "HMP_USAGE",
      message: "not a request this daemon knows",
      hint: "use the hmpersist of the same version",
      exitCode: EXIT.usage,
    };
  }
  try {
    return { ok: true, result: (await handler(request)) ?? null };
  } catch (error) {
    if (error instanceof HmpersistError) {
      return {
        ok: false,
        code: error.code,
        message: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        exitCode: error.exitCode,
      };
    }
    log.error({ err: error, command: request.command }, "command failed");
    return { ok: false, code: "HMP_INTERNAL", message: error instanceof Error ? error.message : String(error), exitCode: EXIT.internal };
  }
}
