// Puts chosen entries into a JSON configuration. What comes out is checked like any configuration before a byte is written, and takes
// the place of the old one in one step.
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { parseConfig } from "../config/load.ts";
import { isErrno } from "../sys/errno.ts";
import { printableJson } from "../sys/text.ts";
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
 * @throws HmpersistError HMP_CONFIG_INVALID if the result would be no valid configuration; nothing is written then.
 */
export function extendConfig(file: string, key: string, suggestion: Suggestion, ignored: readonly string[]): void {
  const text = readOr(file, "{}");
  const outline = JSON.parse(text) as Outline;
  const persistence = (outline.persistence ??= {});
  const storage = (persistence[key] ??= {});
  for (const { entry, method } of suggestion.directories) {
    (storage.directories ??= []).push(method === null ? entry : { directory: entry, method });
  }
  for (const { entry } of suggestion.files) (storage.files ??= []).push(entry);
  if (ignored.length > 0) (outline.ephemeral ??= {}).ignore = [...(outline.ephemeral?.ignore ?? []), ...ignored];
  const changed = `${printableJson(JSON.stringify(outline, null, 2))}\n`;
  parseConfig(changed, file);
  replace(file, changed);
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
function replace(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  let real = file;
  try {
    real = realpathSync(file);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
  const temporary = `${real}.${process.pid}.new`;
  const fd = openSync(temporary, "wx", 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, real);
}
