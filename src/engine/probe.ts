// Whether each engine can run here, without loading more than it takes to know.
import { existsSync } from "node:fs";
import { probeFuseNative } from "../fuse-native/probe.ts";
import type { EngineName, EngineProbe } from "./engine.ts";

async function probeKernel(): Promise<EngineProbe> {
  if (!existsSync("/dev/fuse")) return { name: "kernel", available: false, reason: "there is no /dev/fuse" };
  return { name: "kernel", available: true, reason: "speaks the kernel's protocol itself" };
}

export const probeEngines: Record<EngineName, () => Promise<EngineProbe>> = {
  kernel: probeKernel,
  "fuse-native": probeFuseNative,
};
