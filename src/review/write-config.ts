// Puts chosen entries into a JSON configuration. What comes out is checked like any configuration before a byte is written, and takes
// the place of the old one in one step.
import { accessSync, constants, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseJson } from "../config/json.ts";
import { parseConfig } from "../config/load.ts";
import { isErrno } from "../sys/errno.ts";
import { printableJson } from "../sys/text.ts";
import { replaceFile } from "./replace-file.ts";
import type { Suggestion } from "./suggest.ts";

interface Outline {
  persistence?: Record<string, { directories?: unknown[]; files?: unknown[] }>;
  ephemeral?: { ignore?: string[] };
}

/** Why `file` cannot be written, undefined if it can. */
export function whyNotWritable(file: string): string | undefined {
  try {
    const real = realpathSync(file);
    if (real.startsWith("/nix/store/")) return "the configuration is made by Nix";
    accessSync(real, constants.W_OK);
    accessSync(dirname(real), constants.W_OK);
    return undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    return `the configuration cannot be written: ${(error as NodeJS.ErrnoException).code}`;
  }
}

/**
 * Adds the entries to the storage `key` and the paths to `ephemeral.ignore`.
 * @throws HmpersistError HMP_CONFIG_INVALID if the result would be no valid configuration, HMP_ENVIRONMENT if it cannot be written; the
 *   file is as it was then.
 */
export function extendConfig(file: string, key: string, suggestion: Suggestion, ignored: readonly string[]): void {
  const text = readOr(file, "{}");
  // It may have been changed since it was read.
  parseConfig(text, file);
  const outline = parseJson(text) as Outline;
  const persistence = (outline.persistence ??= {});
  const storage = (persistence[key] ??= {});
  for (const { entry, method } of suggestion.directories) {
    (storage.directories ??= []).push(method === null ? entry : { directory: entry, method });
  }
  for (const { entry } of suggestion.files) (storage.files ??= []).push(entry);
  if (ignored.length > 0) (outline.ephemeral ??= {}).ignore = [...(outline.ephemeral?.ignore ?? []), ...ignored];
  const changed = `${printableJson(JSON.stringify(outline, null, 2))}\n`;
  parseConfig(changed, file);
  replaceFile(realOf(file), (fd) => writeFileSync(fd, changed));
}

/** A gitignore pattern for exactly this path. */
export const ignorePattern = (path: string, directory: boolean): string =>
  `/${path.replace(/[\\*?[\]!# ]/g, (character) => `\\${character}`)}${directory ? "/" : ""}`;

function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return otherwise;
    throw error;
  }
}

// A configuration that is a link (into a repository of dotfiles) stays one.
function realOf(file: string): string {
  try {
    return realpathSync(file);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return file;
    throw error;
  }
}
