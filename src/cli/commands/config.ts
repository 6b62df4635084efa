// `hmpersist config check` and `config schema`.
import { resolve } from "node:path";
import { loadConfig } from "../../config/load.ts";
import { locations } from "../../config/locations.ts";
import { makeDesired } from "../../plan/desired.ts";
import { printable } from "../../sys/text.ts";
import { printJson } from "../json-output.ts";

export interface CheckOptions {
  readonly config?: string;
  readonly json?: true;
}

export async function check(file: string | undefined, options: CheckOptions): Promise<void> {
  const path = resolve(file ?? options.config ?? locations(process.env).configFile);
  const config = await loadConfig(path);
  const desired = makeDesired(config, { root: process.geteuid?.() === 0 });
  const directories = desired.mounts.length + desired.links.filter((link) => link.what === "directory").length;
  const files = desired.links.length + desired.mounts.length - directories;
  if (options.json === true) {
    printJson({ file: path, home: config.home, directories, files, notes: config.notes });
    return;
  }
  process.stdout.write(`${printable(path)} is valid: ${directories} directories and ${files} files for ${config.home}\n`);
  for (const note of config.notes) process.stdout.write(`note: ${note}\n`);
}

export interface SchemaOptions {
  readonly markdown?: true;
}

export async function schema(options: SchemaOptions): Promise<void> {
  const text =
    options.markdown === true
      ? (await import("../../config/option-table.ts")).optionTables()
      : JSON.stringify((await import("../../config/json-schema.ts")).jsonSchema(), undefined, 2);
  process.stdout.write(`${text}\n`);
}
