// Carries out the mount half of a plan: mount, hand the descriptor to the server, unmount. Keeps what is known of each mount.
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { readFuseConf } from "../mount/fuse-conf.ts";
import { findHolders, type Holder } from "../mount/holders.ts";
import { astray, createMounter, type Mounter } from "../mount/mount.ts";
import type { MountRequest } from "../mount/options.ts";
import { isMounted, unmount, type UnmountResult } from "../mount/unmount.ts";
import type { EngineName, ServeSpec } from "../engine/engine.ts";
import { HmpersistError } from "../errors.ts";
import type { MountSpec } from "../plan/types.ts";
import { isBelow, isWithin, relativeTo } from "../config/place.ts";
import { MS_BIND } from "../sys/constants.ts";
import { fdPath } from "../sys/fd-path.ts";
import { close } from "../sys/file.ts";
import { mount } from "../sys/mount.ts";
import type { Directories } from "./directories.ts";
import type { HeldMount } from "./observe.ts";
import type { ServerProcess } from "./server-process.ts";

export interface MountOptions {
  readonly trace: boolean;
  readonly directories: Directories;
  /** Undefined as long as no configuration was taken. */
  readonly home: () => string | undefined;
}

export class Mounts {
  readonly #server: ServerProcess;
  readonly #options: MountOptions;
  #mounter: Mounter | undefined;

  constructor(server: ServerProcess, options: MountOptions) {
    this.#server = server;
    this.#options = options;
  }

  /**
   * Mounts `spec` and has it served. The source and the mountpoint exist.
   * @throws HmpersistError HMP_ENVIRONMENT if mounting is not possible here, HMP_INTERNAL if the server could not serve it.
   */
  async mount(spec: MountSpec, engine: EngineName): Promise<void> {
    if (spec.method === "bind") return this.#bind(spec);
    const allowOther = spec.allowOther && mayAllowOther();
    const serve = {
      mountpoint: spec.target,
      source: spec.source,
      storage: spec.storage,
      cache: spec.cache,
      allowOther,
      trace: this.#options.trace,
    };
    // Says what is missing on this machine; libfuse would only say that it could not.
    this.#mounter ??= createMounter((path) => this.#open(path));
    // fuse-native brings its own libfuse, which mounts by itself.
    if (engine === "fuse-native") return this.#serveNative(serve);
    const hints = [...(spec.hideMount ? ["x-gvfs-hide"] : []), ...(spec.allowTrash ? ["x-gvfs-trash"] : [])];
    const request: MountRequest = { root: this.#rootOf(spec.target), mountpoint: spec.target, fsname: spec.source, allowOther, hints };
    const device = await this.#mounter(request);
    try {
      await this.#server.serve(engine, serve, device);
    } catch (error) {
      // Nobody serves it, so nothing can be open on it: detach it rather than leave a mount that hangs its callers.
      await this.#unmount(spec.target, true);
      throw new HmpersistError("HMP_INTERNAL", `${spec.target} could not be served: ${(error as Error).message}`, undefined, {
        cause: error,
      });
    }
  }

  /** The mounts this daemon serves, and how. */
  held(): ReadonlyMap<string, HeldMount> {
    // Where allow_other cannot be had, a mount without it is all there is to wish for.
    const comparable = mayAllowOther();
    return new Map(
      this.#server.mountpoints.map((target) => {
        const { cache, allowOther } = this.#server.specOf(target) ?? {};
        const root = this.#server.rootOf(target);
        return [
          target,
          {
            ...(cache === undefined ? {} : { cache }),
            ...(comparable && allowOther !== undefined ? { allowOther } : {}),
            ...(root === undefined ? {} : { root }),
          },
        ];
      }),
    );
  }

  /** Unmounts `target`. A busy one stays and its holders are returned, unless `lazy`. Throws HmpersistError if it cannot be. */
  async unmount(target: string, lazy: boolean): Promise<Holder[]> {
    const result = await this.#unmount(target, lazy);
    if (result === "unmounted") return [];
    if (result === "busy") return findHolders(target);
    throw new HmpersistError("HMP_ENVIRONMENT", `cannot unmount ${target}: ${result.failed}`, "'hmpersist unmount --lazy' detaches it");
  }

  /** The storage of the mount that `path` lies in, if there is one: looking there may be waiting for it. */
  storageAbove(path: string): string | undefined {
    const above = this.#server.mountpoints.filter((mountpoint) => isBelow(path, mountpoint));
    const nearest = above.reduce((best, mountpoint) => (mountpoint.length > best.length ? mountpoint : best), "");
    return this.#server.specOf(nearest)?.storage;
  }

  async #bind({ storage, source, target }: MountSpec): Promise<void> {
    const from = await this.#options.directories.open(storage, source, true);
    try {
      const to = await this.#open(target);
      try {
        mount(fdPath(from), fdPath(to), "none", MS_BIND, "");
      } finally {
        close(to);
      }
    } finally {
      close(from);
    }
  }

  // libfuse takes a path and nothing else: what it made of it is looked at afterwards.
  async #serveNative(serve: ServeSpec): Promise<void> {
    await this.#server.serve("fuse-native", serve, undefined);
    const root = this.#rootOf(serve.mountpoint);
    if (isMounted(join(await realpath(root), relativeTo(root, serve.mountpoint)))) return;
    throw astray(serve.mountpoint);
  }

  #unmount(target: string, lazy: boolean): Promise<UnmountResult> {
    return unmount(target, lazy, (path) => this.#open(path));
  }

  #open(path: string): Promise<number> {
    const root = this.#rootOf(path);
    return this.#options.directories.open(root, path, false, this.storageAbove(path) ?? root);
  }

  // A mount that was taken over may lie outside of the home that is configured now; the kernel's name for it has no links.
  #rootOf(path: string): string {
    const home = this.#options.home();
    return home !== undefined && isWithin(path, home) ? home : "/";
  }
}

/** Root always may; others only where /etc/fuse.conf says so. */
export const mayAllowOther = (): boolean => process.geteuid?.() === 0 || readFuseConf().userAllowOther;
