// A process that mounts one directory and serves it with the engine it is told, as the server process of the program would: by mount(2)
// as root, through fusermount3 otherwise. Argument: ServeOrder as JSON. Says READY when the mount is served, and ends with the mount.
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { argv, exit, stdout } from "node:process";
import type { CacheMode } from "../../src/config/config.ts";
import type { Engine, EngineName } from "../../src/engine/engine.ts";
import { createMounter } from "../../src/mount/mount.ts";
import { raiseNofile } from "../../src/sys/rlimit.ts";
import { openDirectory } from "../../src/sys/walk.ts";

export interface ServeOrder {
  readonly engine: EngineName;
  readonly cache: CacheMode;
  readonly allowOther: boolean;
  readonly trace: boolean;
  /** Mounted in this order, all of one storage. */
  readonly mounts: readonly { readonly source: string; readonly mountpoint: string }[];
}

async function createEngine(name: EngineName): Promise<Engine> {
  // Not literals, as in engine/host.ts: an engine is loaded by whoever asks for it.
  const file = { kernel: "../../src/fuse/engine.js", "fuse-native": "../../src/fuse-native/engine.js" }[name];
  const module = (await import(file)) as Record<string, () => Engine | Promise<Engine>>;
  const create = module[{ kernel: "createKernelEngine", "fuse-native": "createFuseNativeEngine" }[name]];
  if (create === undefined) throw new Error(`${file} creates no engine`);
  return create();
}

async function main({ engine: name, cache, allowOther, trace, mounts }: ServeOrder): Promise<void> {
  raiseNofile();
  const engine = await createEngine(name);
  const mounter = name === "kernel" ? createMounter(async (path) => openDirectory(dirname(path), path)) : undefined;
  const ends: Promise<string | undefined>[] = [];
  for (const { source, mountpoint } of mounts) {
    mkdirSync(mountpoint, { recursive: true });
    const device = await mounter?.({ root: dirname(mountpoint), mountpoint, fsname: source, allowOther, hints: [] });
    const served = await engine.serve({ mountpoint, source, storage: source, cache, allowOther, trace }, device);
    ends.push(served.ended);
  }
  stdout.write("READY\n");
  const reasons = (await Promise.all(ends)).filter((reason) => reason !== undefined);
  await engine.close();
  if (reasons.length > 0) throw new Error(reasons.join("; "));
  exit(0);
}

await main(JSON.parse(argv[2] ?? "") as ServeOrder);
