// Whether fuse-native can serve here, found out without loading it: the daemon asks, and must not carry libfuse.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { EngineProbe } from "../engine/engine.ts";

export async function probeFuseNative(): Promise<EngineProbe> {
  const answer = (available: boolean, reason: string): EngineProbe => ({ name: "fuse-native", available, reason });
  const { platform, arch } = process;
  let directory: string;
  try {
    directory = dirname(createRequire(import.meta.url).resolve("fuse-native"));
  } catch {
    return answer(false, "the optional npm package fuse-native is not installed");
  }
  const built = [join(directory, "prebuilds", `${platform}-${arch}`), join(directory, "build/Release")];
  if (!built.some(existsSync)) return answer(false, `the npm package fuse-native has no build for ${platform}-${arch}`);
  if (!existsSync("/dev/fuse")) return answer(false, "there is no /dev/fuse");
  const path = ["/run/wrappers/bin", ...(process.env["PATH"] ?? "").split(":"), "/usr/bin", "/bin"];
  const found = path.some((one) => one.startsWith("/") && existsSync(join(one, "fusermount")));
  // Root mounts by mount(2).
  if (!found && process.geteuid?.() !== 0)
    return answer(false, "libfuse 2 needs a program called fusermount, which fuse3 brings as a link on most systems");
  return answer(true, "the npm package fuse-native, over libfuse 2");
}
