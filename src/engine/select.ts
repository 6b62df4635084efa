// Which engine serves: the configured one, or the first that can run here, with the reason.
import { HmpersistError } from "../errors.ts";
import type { EngineChoice } from "../config/config.ts";
import type { EngineName, EngineProbe } from "./engine.ts";

/** In the order of preference. */
export const ENGINES: readonly EngineName[] = ["kernel", "fuse-native"];

/**
 * @param probes by engine, each asked at most once.
 * @throws HmpersistError HMP_ENVIRONMENT if the chosen engine, or none at all, can run here.
 */
export async function selectEngine(choice: EngineChoice, probes: Record<EngineName, () => Promise<EngineProbe>>): Promise<EngineProbe> {
  const candidates = choice === "auto" ? ENGINES : [choice];
  const refused: EngineProbe[] = [];
  for (const name of candidates) {
    const probe = await probes[name]();
    if (probe.available) return probe;
    refused.push(probe);
  }
  const reasons = refused.map((probe) => `${probe.name}: ${probe.reason}`).join("; ");
  throw new HmpersistError("HMP_ENVIRONMENT", `no FUSE engine can run here (${reasons})`, "'hmpersist doctor' checks what is missing");
}
