// The configuration for a review: people look at what they would lose before they have written one, so its absence is no error.
import type { Config } from "../config/config.ts";
import { homeOf } from "../config/locations.ts";
import { HmpersistError } from "../errors.ts";
import { settingsFor } from "./daemon-config.ts";
import { loadSettings } from "./settings.ts";
import { absolute } from "./working-directory.ts";

export interface ReviewConfig {
  readonly config: Config;
  /** Null: there is none. */
  readonly file: string | null;
}

export async function reviewConfig(options: { readonly config?: string; readonly home?: string }): Promise<ReviewConfig> {
  const settings = await settingsFor(options);
  try {
    return await loadSettings(settings);
  } catch (error) {
    const asked = settings.config !== undefined;
    if (asked || !(error instanceof HmpersistError) || error.code !== "HMP_CONFIG_MISSING") throw error;
    const home = settings.home === undefined ? homeOf(process.env) : absolute(settings.home);
    return { config: { home, engine: "auto", storages: [], ephemeral: { ignore: [] }, notes: [] }, file: null };
  }
}
