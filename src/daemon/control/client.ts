// The command line's end of the control socket.
import { connect } from "node:net";
import { HmpersistError, type ErrorCode } from "../../errors.ts";
import type { ControlReply, ControlRequest } from "./protocol.ts";

/**
 * Asks the daemon listening on `path`.
 * @param timeoutMs gives up after this long: a daemon that does not answer must not hang its callers.
 * @throws HmpersistError HMP_NO_DAEMON if nobody listens, HMP_TIMEOUT, or what the daemon answered.
 */
export function ask<T>(path: string, request: ControlRequest, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = "";
    const fail = (error: HmpersistError): void => {
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () =>
        fail(
          new HmpersistError(
            "HMP_TIMEOUT",
            `the daemon did not answer within ${timeoutMs / 1000} s`,
            "'hmpersist status' again, or restart it",
          ),
        ),
      timeoutMs,
    );
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      fail(noDaemon(path, error.code));
    });
    socket.on("close", () => {
      clearTimeout(timer);
      fail(new HmpersistError("HMP_NO_DAEMON", "the daemon ended before it answered", "start it: hmpersist mount"));
    });
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (!text.endsWith("\n")) return;
      clearTimeout(timer);
      socket.removeAllListeners("close");
      socket.end();
      const reply = JSON.parse(text) as ControlReply;
      if (reply.ok) resolve(reply.result as T);
      else reject(new HmpersistError(reply.code as ErrorCode, reply.message, reply.hint));
    });
  });
}

function noDaemon(path: string, errno: string | undefined): HmpersistError {
  if (errno === "EACCES")
    return new HmpersistError("HMP_NO_DAEMON", `${path} belongs to somebody else`, "run hmpersist as the user whose home it is");
  return new HmpersistError("HMP_NO_DAEMON", "no hmpersist daemon is running", "start it: hmpersist mount");
}
