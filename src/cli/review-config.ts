// The configuration for a review: people look at what they would lose before they have written one, so its absence is no error.
import { resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { homeOf, locations } from "../config/locations.ts";
import { loadConfig } from "../config/load.ts";
import { HmpersistError } from "../errors.ts";

export interface ReviewConfig {
  readonly config: Config;
  /** Null: there is none. */
  readonly file: string | null;
}

export async function reviewConfig(options: { readonly config?: string; readonly home?: string }): Promise<ReviewConfig> {
  const file = resolve(options.config ?? locations(process.env).configFile);
  const { config, found } = await load(file, options.config !== undefined);
  const home = options.home === undefined ? config.home : resolve(options.home);
  return { config: { ...config, home }, file: found ? file : null };
}

async function load(file: string, asked: boolean): Promise<{ config: Config; found: boolean }> {
  try {
    return { config: await loadConfig(file), found: true };
  } catch (error) {
    if (asked || !(error instanceof HmpersistError) || error.code !== "HMP_CONFIG_MISSING") throw error;
    return { config: { home: homeOf(process.env), engine: "auto", storages: [], ephemeral: { ignore: [] }, notes: [] }, found: false };
  }
}
