// Carries out the mount half of a plan: mount, hand the descriptor to the server, unmount. Keeps what is known of each mount.
import { readFuseConf } from "../mount/fuse-conf.ts";
import { findHolders, type Holder } from "../mount/holders.ts";
import { createMounter, type Mounter } from "../mount/mount.ts";
import type { MountRequest } from "../mount/options.ts";
import { unmount } from "../mount/unmount.ts";
import type { EngineName } from "../engine/engine.ts";
import { HmpersistError } from "../errors.ts";
import type { MountSpec } from "../plan/types.ts";
import { MS_BIND } from "../sys/constants.ts";
import { mount } from "../sys/mount.ts";
import type { HeldMount } from "./observe.ts";
import type { ServerProcess } from "./server-process.ts";

export interface MountOptions {
  readonly trace: boolean;
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
    if (spec.method === "bind") return mount(spec.source, spec.target, "none", MS_BIND, "");
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
    this.#mounter ??= createMounter();
    // fuse-native brings its own libfuse, which mounts by itself.
    if (engine === "fuse-native") return this.#server.serve(engine, serve, undefined);
    const hints = [...(spec.hideMount ? ["x-gvfs-hide"] : []), ...(spec.allowTrash ? ["x-gvfs-trash"] : [])];
    const request: MountRequest = { mountpoint: spec.target, fsname: spec.source, allowOther, hints };
    const device = await this.#mounter(request);
    try {
      await this.#server.serve(engine, serve, device);
    } catch (error) {
      // Nobody serves it, so nothing can be open on it: detach it rather than leave a mount that hangs its callers.
      await unmount(spec.target, true);
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
    const result = await unmount(target, lazy);
    if (result === "unmounted") return [];
    if (result === "busy") return findHolders(target);
    throw new HmpersistError("HMP_ENVIRONMENT", `cannot unmount ${target}: ${result.failed}`, "'hmpersist unmount --lazy' detaches it");
  }
}

/** Root always may; others only where /etc/fuse.conf says so. */
export const mayAllowOther = (): boolean => process.geteuid?.() === 0 || readFuseConf().userAllowOther;
