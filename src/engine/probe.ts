// Whether each engine can run here, without loading more than it takes to know.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import type { EngineName, EngineProbe } from "./engine.ts";

async function probeKernel(): Promise<EngineProbe> {
  if (!existsSync("/dev/fuse")) return { name: "kernel", available: false, reason: "there is no /dev/fuse" };
  return { name: "kernel", available: true, reason: "speaks the kernel's protocol itself" };
}

async function probeFuseNative(): Promise<EngineProbe> {
  try {
    createRequire(import.meta.url).resolve("fuse-native");
    return { name: "fuse-native", available: true, reason: "the npm package fuse-native is installed" };
  } catch {
    return { name: "fuse-native", available: false, reason: "the optional npm package fuse-native is not installed" };
  }
}

export const probeEngines: Record<EngineName, () => Promise<EngineProbe>> = {
  kernel: probeKernel,
  "fuse-native": probeFuseNative,
};
