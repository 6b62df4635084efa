// The command line's end of the control socket. Nobody else's daemon is believed: its settings say where data is moved to.
import { lstatSync, type Stats } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { OWN_RUNTIME } from "../../config/locations.ts";
import { HmpersistError, type ErrorCode } from "../../errors.ts";
import type { ControlReply, ControlRequest } from "./protocol.ts";

/**
 * Asks the daemon listening on `path`.
 * @param timeoutMs gives up after this long: a daemon that does not answer must not hang its callers.
 * @throws HmpersistError HMP_NO_DAEMON if nobody listens, HMP_ENVIRONMENT if it lies in a directory of somebody else's, HMP_TIMEOUT, or
 *   what the daemon answered.
 */
export function ask<T>(path: string, request: ControlRequest, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    refuseStrangers(dirname(path), request);
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

// The runtime directory may lie in /tmp. Root may ask any daemon how it is, and tell it to end.
function refuseStrangers(directory: string, { command }: ControlRequest): void {
  const uid = process.getuid?.();
  const found = look(directory);
  if (found === undefined || (found.isDirectory() && (found.uid === uid || (uid === 0 && command !== "settings")))) return;
  const what = found.isDirectory() ? `belongs to uid ${found.uid}` : "is no directory";
  throw new HmpersistError("HMP_ENVIRONMENT", `${directory} ${what}`, OWN_RUNTIME);
}

function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    // Then it cannot be connected to either.
    return undefined;
  }
}

function noDaemon(path: string, errno: string | undefined): HmpersistError {
  if (errno === "EACCES")
    return new HmpersistError("HMP_NO_DAEMON", `${path} belongs to somebody else`, "run hmpersist as the user whose home it is");
  return new HmpersistError("HMP_NO_DAEMON", "no hmpersist daemon is running", "start it: hmpersist mount");
}
