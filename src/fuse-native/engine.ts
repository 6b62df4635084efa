// Engine 2: libfuse 2 through the optional fuse-native package, where the kernel engine cannot run, and as a second opinion in tests.
// It mounts by itself and serves on this process's event loop. Run by root for others, what they create is root's: fuse-native does
// not say who asks.
import type { Engine, ServeSpec, ServeStats, ServedMount } from "../engine/engine.ts";
import { isBelow } from "../config/place.ts";
import { Connection, openDevices } from "./connection.ts";
import { fdPath } from "../sys/fd-path.ts";
import { close } from "../sys/file.ts";
import { directoryId } from "../sys/stat.ts";
import { openWithin } from "../sys/walk.ts";
import { FuseNative } from "./binding.ts";
import { Service } from "./service.ts";
import { mountOptions } from "./options.ts";

/** Throws an Error if the package is not installed or does not load. */
export async function createFuseNativeEngine(): Promise<Engine> {
  const native = new FuseNative();
  // The kernel has applied the caller's umask already. libfuse finds fusermount by PATH, which a service may have without these.
  process.umask(0);
  process.env["PATH"] = ["/run/wrappers/bin", process.env["PATH"], "/usr/bin", "/bin"]
    .filter((one) => one !== undefined && one !== "")
    .join(":");
  const mounts = new Set<Mount>();
  return {
    name: "fuse-native",
    warm: () => {},
    serve: async (spec) => {
      const outer = [...mounts].find(({ mountpoint }) => isBelow(spec.mountpoint, mountpoint));
      // libfuse looks at the mountpoint while this thread waits for it, so nobody would answer.
      if (outer !== undefined) throw new Error(`the engine fuse-native cannot mount inside of ${outer.mountpoint}, which it serves itself`);
      const mount = new Mount(native, spec);
      mounts.add(mount);
      void mount.ended.then(() => mounts.delete(mount));
      await mount.started();
      return mount;
    },
    // libfuse's threads end with their mounts, or with the process.
    close: async () => {},
  };
}

const START_TIMEOUT_MS = 10_000;

class Mount implements ServedMount {
  readonly mountpoint: string;
  readonly root: string;
  readonly ended: Promise<string | undefined>;
  readonly #service: Service;
  readonly #connection: Connection;

  constructor(native: FuseNative, spec: ServeSpec) {
    this.mountpoint = spec.mountpoint;
    // Not by its path, which may lead to another directory one day: an unmounted disk's bare mountpoint, for one.
    const source = openWithin(spec.storage, spec.source);
    this.root = directoryId(source);
    this.#service = new Service(native, spec, `${fdPath(source)}/.`);
    const options = mountOptions(spec);
    const before = openDevices();
    let release: () => void;
    try {
      release = native.mount(spec.mountpoint, options, this.#service.handlers());
    } catch (error) {
      close(source);
      throw new Error(`fuse-native could not mount ${spec.mountpoint}; libfuse's reason is in the log before this`, { cause: error });
    }
    this.#connection = new Connection(spec.mountpoint, before);
    this.ended = this.#connection.ended.finally(() => {
      release();
      close(source);
    });
  }

  /** Resolves when the kernel has sent INIT and been answered. */
  async started(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${this.mountpoint}: the kernel did not begin to talk within ${START_TIMEOUT_MS / 1000} s`)),
        START_TIMEOUT_MS,
      );
    });
    const gone = this.ended.then((reason) => Promise.reject(new Error(`${this.mountpoint}: ${reason ?? "unmounted at once"}`)));
    try {
      await Promise.race([this.#service.started, gone, late]);
    } finally {
      clearTimeout(timer);
      gone.catch(() => {});
    }
  }

  stats(): ServeStats {
    return this.#service.stats();
  }

  // libfuse cannot be told to stop reading; what is in flight is answered, and the rest ends with the process.
  async stop(): Promise<readonly []> {
    await this.#service.idle();
    return [];
  }
}
