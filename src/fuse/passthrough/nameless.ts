// Files without a name that are open: deleted, replaced, or made without one (O_TMPFILE). Only a descriptor leads to them, so that whoever
// comes after this process must be given one: it is handed to the daemon before the name is gone, and kept there until the file is closed.
import { F_GETFL, O_ACCMODE, O_CLOEXEC, O_NONBLOCK, O_PATH, O_RDWR } from "../../sys/constants.ts";
import { raw } from "../../sys/call.ts";
import { hot } from "../../sys/hot.ts";
import { libc } from "../../sys/libc.ts";
import type { KeptFile } from "../../engine/keeping.ts";
import type { Passthrough } from "./passthrough.ts";

/** Where duplicates are kept that outlive this process. */
export interface Keeper {
  /** False: it takes no more. */
  keep(nodeid: number, fd: number): boolean;
  drop(nodeid: number): void;
  /** `settle` has something to do, once there is time. */
  later(): void;
}

/** How many may wait for their end rather than be handed over. */
const WAITING = 16;

export class Nameless {
  readonly #fs: Passthrough;
  readonly #keeper: Keeper | undefined;
  /** From a predecessor, or opened here because no handle was. */
  readonly #own = new Map<number, number>();
  /** All of their nodes; of some the keeper has a duplicate, and of some it may have one soon. */
  readonly #nodes = new Set<number>();
  readonly #handed = new Set<number>();
  readonly #waiting = new Set<number>();

  constructor(fs: Passthrough, keeper: Keeper | undefined) {
    this.#fs = fs;
    this.#keeper = keeper;
  }

  /** What a predecessor had handed over. */
  inherit(kept: readonly KeptFile[]): void {
    for (const { nodeid, fd } of kept) {
      this.#nodes.add(nodeid);
      this.#handed.add(nodeid);
      this.#own.set(nodeid, fd);
      if (!this.#fs.nodes.has(nodeid) || this.#fs.nodes.firstHandle(nodeid) === 0) this.forget(nodeid);
    }
  }

  /** A descriptor of a file without a name, or -1. */
  fd(nodeid: number): number {
    return this.#own.size === 0 ? -1 : (this.#own.get(nodeid) ?? -1);
  }

  /** A duplicate that serves like one opened with `flags`, where the file's permissions allow no opening any more; -1 if there is none. */
  duplicate(nodeid: number, flags: number): number {
    const fd = this.fd(nodeid);
    const has = fd < 0 ? O_PATH : raw(libc.fcntl, fd, F_GETFL, 0);
    if ((has & O_PATH) !== 0) return -1;
    const access = has & O_ACCMODE;
    return access === O_RDWR || access === (flags & O_ACCMODE) ? this.#fs.duplicate(fd) : -1;
  }

  /** A file that may well be open is about to lose the last name we know. False: it could not be handed over. */
  keep(nodeid: number): boolean {
    if (this.#keeper === undefined || this.#handed.has(nodeid)) return true;
    this.#nodes.add(nodeid);
    const fd = this.#best(nodeid);
    if (fd < 0 || !this.#keeper.keep(nodeid, fd)) return false;
    this.#handed.add(nodeid);
    return true;
  }

  /** One whose content nobody asked for loses its name. Hardly any is open, most are forgotten in a moment: so it is handed over a little later. */
  keepLater(nodeid: number): void {
    if (this.#keeper === undefined || this.#handed.has(nodeid)) return;
    this.#nodes.add(nodeid);
    this.#waiting.add(nodeid);
    this.#keeper.later();
    if (this.#waiting.size > WAITING) this.settle();
  }

  /** Hands over what waits: nothing else is to be done. */
  settle(): void {
    if (this.#waiting.size === 0) return;
    for (const nodeid of this.#waiting) this.keep(nodeid);
    this.#waiting.clear();
  }

  /** It is open no more, or has a name again. */
  forget(nodeid: number): void {
    if (this.#nodes.size === 0 || !this.#nodes.delete(nodeid)) return;
    this.#waiting.delete(nodeid);
    if (this.#handed.delete(nodeid)) this.#keeper?.drop(nodeid);
    const fd = this.#own.get(nodeid);
    if (fd !== undefined) hot.close(fd);
    this.#own.delete(nodeid);
  }

  // One that can do what all handles can, where there is one.
  #best(nodeid: number): number {
    const { handles, nodes } = this.#fs;
    let best = -1;
    for (let fh = nodes.firstHandle(nodeid); fh !== 0; fh = handles.next(fh)) {
      const fd = handles.fd(fh);
      if (fd >= 0 && (best < 0 || (handles.flags(fh) & O_ACCMODE) === O_RDWR)) best = fd;
    }
    if (best < 0) best = this.fd(nodeid);
    if (best >= 0) return best;
    // All of its handles are a predecessor's, and were not used since.
    const flags = handles.flags(nodes.firstHandle(nodeid));
    const wide = this.#fs.openNode(nodeid, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    const fd = wide >= 0 ? wide : this.#fs.openNode(nodeid, flags);
    if (fd >= 0) this.#own.set(nodeid, fd);
    return fd;
  }

  /** Duplicates of all, for a successor that is not this daemon's. */
  take(): KeptFile[] {
    const kept: KeptFile[] = [];
    for (const nodeid of this.#nodes) {
      const fd = this.#best(nodeid);
      const copy = fd < 0 ? fd : this.#fs.duplicate(fd);
      if (copy >= 0) kept.push({ nodeid, fd: copy });
    }
    return kept;
  }

  close(): void {
    for (const fd of this.#own.values()) hot.close(fd);
    this.#own.clear();
  }
}
