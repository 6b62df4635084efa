// Gives the descriptors of every mount to the service manager (FDSTORE, sd_notify(3)), so that they outlive a crash or restart of the whole
// service, and at a restart those of open files without a name; a list beside the control socket says which mount each belongs to.
import { createHash } from "node:crypto";
import { readlinkSync } from "node:fs";
import { fdPath } from "../sys/fd-path.ts";
import { close } from "../sys/file.ts";
import { readMountinfo } from "../sys/mountinfo.ts";
import type { HandedMount } from "../engine/handover.ts";
import type { KeptFile } from "../engine/keeping.ts";
import type { Log } from "../log.ts";
import { readMountList, writeMountList, type ListedMount } from "./mount-list.ts";
import type { Notifier } from "./sd-notify.ts";

export class FdStore {
  readonly #notifier: Notifier;
  readonly #listPath: string;
  readonly #listed = new Map<string, ListedMount>();
  readonly #log: Log;

  constructor(notifier: Notifier, listPath: string, log: Log) {
    this.#log = log;
    this.#notifier = notifier;
    this.#listPath = listPath;
  }

  put({ device, state, engine, spec }: HandedMount): void {
    const name = nameOf(spec.mountpoint);
    this.#listed.set(name, { engine, spec });
    this.save();
    this.#notifier.storeFd(name, device);
    this.#notifier.storeFd(name, state);
  }

  drop(mountpoint: string): void {
    const name = nameOf(mountpoint);
    if (!this.#listed.delete(name)) return;
    this.save();
    this.#notifier.removeFd(name);
  }

  /** At the end of this daemon: descriptors of the mount's files without a name, by node. They change too often to be stored before. */
  putFiles(mountpoint: string, files: ReadonlyMap<number, number>): void {
    for (const [nodeid, fd] of files) this.#notifier.storeFd(`${nameOf(mountpoint)}-${nodeid}`, fd);
  }

  /** Takes those out of `fds` and out of the store, by the name of their mount. */
  #recoverFiles(fds: Map<string, number[]>): Map<string, KeptFile[]> {
    const files = new Map<string, KeptFile[]>();
    for (const [name, each] of fds) {
      const [, mount, nodeid] = FILE_NAME.exec(name) ?? [];
      if (mount === undefined) continue;
      fds.delete(name);
      this.#notifier.removeFd(name);
      files.set(mount, [...(files.get(mount) ?? []), ...each.map((fd) => ({ nodeid: Number(nodeid), fd }))]);
    }
    return files;
  }

  /** The mounts whose descriptors the manager kept; what cannot be matched to a mount is closed. */
  recover(fds: Map<string, number[]>): HandedMount[] {
    const files = this.#recoverFiles(fds);
    const listed = readMountList(this.#listPath);
    const mounted = new Set(readMountinfo().map((mount) => mount.mountpoint));
    const found: HandedMount[] = [];
    for (const [name, each] of fds) {
      const device = each.find((fd) => readlinkSync(fdPath(fd)) === "/dev/fuse");
      const state = each.find((fd) => readlinkSync(fdPath(fd)).startsWith("/memfd:"));
      const entry = listed[name];
      if (entry !== undefined && device !== undefined && state !== undefined && mounted.has(entry.spec.mountpoint)) {
        this.#listed.set(name, entry);
        found.push({ ...entry, device, state, kept: files.get(name) });
        files.delete(name);
        for (const fd of each) if (fd !== device && fd !== state) close(fd);
      } else {
        for (const fd of each) close(fd);
        this.#notifier.removeFd(name);
      }
    }
    for (const { fd } of [...files.values()].flat()) close(fd);
    return found;
  }

  /** Writes the list. The mounts go on without it; it is written anew with the next change. */
  save(): void {
    try {
      writeMountList(this.#listPath, Object.fromEntries(this.#listed));
    } catch (error) {
      this.#log.warn({ file: this.#listPath, error: String(error) }, "mounts not listed");
    }
  }
}

/** The name of a mount, and a node. */
const FILE_NAME = /^(mount-[0-9a-f]{32})-(\d+)$/;

/** A name the manager accepts, whatever the path holds. */
const nameOf = (mountpoint: string): string => `mount-${createHash("sha256").update(mountpoint).digest("hex").slice(0, 32)}`;
