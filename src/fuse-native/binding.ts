// The native half of the fuse-native package: libfuse 2 on threads of its own, which hands each request to a function of ours and waits
// for its signal. The JavaScript half is not used: it looks at the mountpoint (which hangs for one inside of a mount served here),
// signals extended attributes longer than the caller's buffer, drops a set mtime and gives up on a slow storage after 15 seconds.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { loadLibrary } from "../sys/libc.ts";

/** What a request left in the native half; opaque but for utimens (see operations.ts). */
export type Request = Buffer;

export type Signal = (request: Request, result: number, ...values: unknown[]) => void;

/** Called by libfuse for one request; `args` are those of the operation in fuse.h, 64-bit numbers as two halves. */
export type NativeHandler = (request: Request, op: number, ...args: never[]) => void;

interface NativeBinding {
  readonly sizeof_fuse_thread_t: number;
  fuse_native_mount(
    mountpoint: string,
    options: string,
    thread: Buffer,
    self: object,
    malloc: (size: number) => Buffer,
    handlers: readonly NativeHandler[],
    implemented: Uint32Array,
  ): void;
  fuse_native_unmount(mountpoint: string, thread: Buffer): void;
}

// The native half keeps fixed arrays of 35 operations and 1024 bytes.
const OPERATIONS = 35;
export const MAX_TEXT = 1023;

// Native threads point into these for as long as they run, and they outlive the mount: never to be collected.
const pinned: unknown[] = [];

export class FuseNative {
  readonly #binding: NativeBinding;

  /** Throws if the package is not installed or does not load here. */
  constructor() {
    const require = createRequire(import.meta.url);
    const entry = require.resolve("fuse-native");
    const load = createRequire(entry)("node-gyp-build") as { (directory: string): NativeBinding; path(directory: string): string };
    const directory = dirname(entry);
    try {
      this.#binding = load(directory);
    } catch {
      // It wants libfuse.so.2 of the system; the package brings one along, but without a path to find it by.
      loadLibrary(join(dirname(load.path(directory)), "libfuse.so"));
      this.#binding = load(directory);
    }
  }

  /** The signal of operation `name`: what ends a request of it. */
  signal(name: string): Signal {
    return this.#member<Signal>(`fuse_native_signal_${name}`);
  }

  /**
   * Mounts and starts to serve; blocks while fusermount runs. Throws an Error without a reason: libfuse has printed it to stderr.
   * `handlers` are by name of operation.
   */
  mount(mountpoint: string, options: string, handlers: ReadonlyMap<string, NativeHandler>): () => void {
    const implemented = new Uint32Array(OPERATIONS);
    const table: NativeHandler[] = Array.from({ length: OPERATIONS - 1 }, () => unexpected);
    for (const [name, handler] of handlers) {
      const op = this.#member<number>(`op_${name}`);
      implemented[op] = 1;
      table[op] = handler;
    }
    const thread = Buffer.alloc(this.#binding.sizeof_fuse_thread_t);
    const malloc = (size: number): Buffer => {
      const memory = Buffer.alloc(size);
      pinned.push(memory);
      return memory;
    };
    pinned.push(thread);
    this.#binding.fuse_native_mount(mountpoint, options, thread, {}, malloc, table, implemented);
    // Lets the event loop end; unmounting is not what it does.
    return () => this.#binding.fuse_native_unmount(mountpoint, thread);
  }

  #member<T>(name: string): T {
    return (this.#binding as unknown as Record<string, T>)[name] as T;
  }
}

const unexpected: NativeHandler = () => {
  throw new Error("an operation that was not offered");
};
