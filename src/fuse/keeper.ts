// This process's side of the keeping of files without a name, for one mount: see ../engine/keeping.ts.
import { tellKeeper } from "../engine/keeping.ts";
import type { Keeper } from "./passthrough/nameless.ts";

export class DaemonKeeper implements Keeper {
  readonly #socket: number;
  readonly #id: number;
  /** Asks for `settle`, once there is time: something was told, or could not be told yet. */
  readonly later: () => void;
  #undropped: number[] = [];
  #told = false;

  constructor({ socket, id }: { readonly socket: number; readonly id: number }, later: () => void) {
    this.#socket = socket;
    this.#id = id;
    this.later = later;
  }

  keep(nodeid: number, fd: number): boolean {
    this.later();
    this.#retry();
    this.#told = true;
    return this.#undropped.length === 0 && tellKeeper(this.#socket, this.#id, nodeid, fd);
  }

  drop(nodeid: number): void {
    this.later();
    this.#undropped.push(nodeid);
    this.#retry();
  }

  // In order, since a node id may be another file's by the time its old one is dropped.
  #retry(): void {
    while (this.#undropped.length > 0 && tellKeeper(this.#socket, this.#id, this.#undropped[0] as number)) {
      this.#undropped.shift();
      this.#told = true;
    }
  }

  /** @returns whether anything was told since the last time. */
  settle(): boolean {
    this.#retry();
    const told = this.#told;
    this.#told = false;
    return told;
  }
}
