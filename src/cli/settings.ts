// Which configuration a command works with: a file, or the options of an ad hoc mount.
import type { Config } from "../config/config.ts";
import { homeOf, locations } from "../config/locations.ts";
import { realHome } from "../config/real-path.ts";
import { HmpersistError } from "../errors.ts";
import { absolute } from "./working-directory.ts";

export interface Settings {
  readonly config?: string | undefined;
  readonly home?: string | undefined;
  readonly storage?: string | undefined;
  readonly directory: readonly string[];
  readonly file: readonly string[];
  readonly removePrefixDirectory?: true | undefined;
  readonly allowOther?: true | undefined;
}

/**
 * The configuration, its home as the mount table names it, and the file it came from (null: from options). `replacement` is a file given
 * later, by `apply --config`.
 */
export async function loadSettings(settings: Settings, replacement?: string): Promise<{ config: Config; file: string | null }> {
  const { adHocConfig, loadConfig } = await import("../config/load.ts");
  const env = settings.home === undefined ? process.env : { ...process.env, HOME: absolute(settings.home) };
  if (settings.storage !== undefined && replacement === undefined) {
    const config = adHocConfig({
      home: homeOf(env),
      storage: absolute(settings.storage),
      directories: settings.directory,
      files: settings.file,
      removePrefixDirectory: settings.removePrefixDirectory === true,
      allowOther: settings.allowOther === true,
    });
    return { config: { ...config, home: realHome(config.home) }, file: null };
  }
  const file = absolute(replacement ?? settings.config ?? locations(process.env).configFile);
  const config = await loadConfig(file, env);
  // --home overrides what the file says: the same configuration may be tried on another home.
  const home = settings.home === undefined ? config.home : absolute(settings.home);
  return { config: { ...config, home: realHome(home) }, file };
}

/** The same for whoever stands elsewhere. */
export function absoluteSettings({ config, home, storage, directory, file, removePrefixDirectory, allowOther }: Settings): Settings {
  const [at, below, from] = [config, home, storage].map((path) => (path === undefined ? undefined : absolute(path)));
  return { config: at, home: below, storage: from, directory, file, removePrefixDirectory, allowOther };
}

/** Refuses options that contradict or need each other. */
export function checkSettings(settings: Settings): void {
  const adHoc =
    settings.directory.length > 0 || settings.file.length > 0 || settings.removePrefixDirectory === true || settings.allowOther === true;
  if (settings.storage === undefined && adHoc) {
    throw new HmpersistError(
      "HMP_USAGE",
      "--directory, --file, --remove-prefix-directory and --allow-other need --storage",
      "hmpersist mount --storage DIR --directory PATH",
    );
  }
  if (settings.storage !== undefined && settings.config !== undefined) {
    throw new HmpersistError(
      "HMP_USAGE",
      "--storage and --config exclude each other",
      "put the storage into the configuration file, or leave --config out",
    );
  }
  if (settings.storage !== undefined && settings.directory.length === 0 && settings.file.length === 0) {
    throw new HmpersistError("HMP_USAGE", "--storage alone mounts nothing", "name what to bring back: --directory PATH or --file PATH");
  }
}
