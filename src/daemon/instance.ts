// What makes this daemon the only one of its user, and lets it be found: the lock and the control socket in the runtime directory. That
// directory goes when its user logs out and comes back with the next login, and a daemon that was started by hand may outlive it: both
// are made again then, or the next `hmpersist mount` would start a second daemon, which takes the mounts of the first for leftovers.
import { statSync } from "node:fs";
import type { Server } from "node:net";
import { dirname } from "node:path";
import type { Log } from "../log.ts";
import { HmpersistError } from "../errors.ts";
import { listen, type Handler } from "./control/server.ts";
import { takeInstanceLock } from "./instance-lock.ts";
import { idOf } from "./look.ts";

export interface InstancePaths {
  readonly lockFile: string;
  readonly controlSocket: string;
}

export class Instance {
  readonly #paths: InstancePaths;
  readonly #log: Log;
  /** Which file the lock is. */
  #lock: string | undefined;
  #release: () => void = () => {};
  #control: Server | undefined;
  #handler: Handler | undefined;

  constructor(paths: InstancePaths, log: Log) {
    this.#paths = paths;
    this.#log = log;
  }

  /** @throws HmpersistError HMP_DAEMON_RUNNING if there is another one. */
  take(): void {
    this.#release = takeInstanceLock(this.#paths.lockFile);
    this.#lock = fileAt(this.#paths.lockFile);
  }

  /** @throws HmpersistError HMP_ENVIRONMENT if the socket cannot be made. */
  async listen(handler: Handler): Promise<void> {
    this.#handler = handler;
    this.#control = await listen(this.#paths.controlSocket, handler, this.#log);
  }

  /** Makes both again where the runtime directory is another one than it was, if that can be. @returns whether they were made. */
  async renew(): Promise<boolean> {
    const [handler, before] = [this.#handler, this.#release];
    if (handler === undefined || fileAt(this.#paths.lockFile) === this.#lock) return false;
    try {
      this.take();
      before();
      // Before the next one: closing removes what lies at the path.
      this.#control?.close();
      await this.listen(handler);
      this.#log.info({ directory: dirname(this.#paths.lockFile) }, "the runtime directory is a new one");
      return true;
    } catch (error) {
      if (!(error instanceof HmpersistError)) throw error;
      this.#log.warn({ detail: error.message }, "the runtime directory is gone");
      return false;
    }
  }

  /** Nobody is answered from here on; who waits for an answer gets it. */
  deafen(): void {
    this.#handler = undefined;
    this.#control?.close();
  }

  /** Another daemon may be started. */
  release(): void {
    this.#release();
  }
}

function fileAt(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : idOf(found);
}
