// For tests of faults: one directory mounted over the home's `data`, and what a call on it answers to another process.
import { join } from "node:path";
import { expect } from "vitest";
import type { CacheMode } from "../../src/config/config.ts";
import type { EngineName } from "../../src/engine/engine.ts";
import type { Sandbox } from "./sandbox.ts";

export interface Way {
  readonly engine: EngineName;
  readonly cache: CacheMode;
}

/** Every way of serving a mount; `toString` names it in a test's title. */
export const WAYS: readonly (Way & { readonly name: string })[] = [
  { name: "kernel shared", engine: "kernel", cache: "shared" },
  { name: "kernel exclusive", engine: "kernel", cache: "exclusive" },
  { name: "fuse-native", engine: "fuse-native", cache: "shared" },
];

/** Mounts with a daemon in the background. */
export async function mountAll(sandbox: Sandbox, engine: EngineName, persistence: Readonly<Record<string, object>>): Promise<void> {
  sandbox.writeConfig({ home: sandbox.home, engine, persistence });
  const ran = await sandbox.run(["mount", "--config", sandbox.configFile]);
  expect(ran, ran.stdout + ran.stderr + sandbox.log()).toMatchObject({ code: 0 });
}

/** Mounts `storage`'s directory "data", and links `files`; the mountpoint. */
export async function mountData(sandbox: Sandbox, storage: string, { engine, cache }: Way, files: readonly string[] = []): Promise<string> {
  await mountAll(sandbox, engine, { [storage]: { directories: [{ directory: "data", cache }], files } });
  return join(sandbox.home, "data");
}

const ERRNO_OF = `
import errno, os, sys
try:
    exec(sys.argv[1])
    print("ok")
except OSError as e:
    print(errno.errorcode[e.errno])
`;

/** The outcome of some Python in another process whose working directory is `data`: "ok" or the errno's name. */
export async function outcome(sandbox: Sandbox, data: string, lines: string): Promise<string> {
  const { stdout, stderr } = await sandbox.exec("sh", ["-c", 'cd "$1" && exec python3 -c "$2" "$3"', "sh", data, ERRNO_OF, lines]);
  return stdout.trim() || stderr;
}
