// `hmpersist config check` and `config schema`.
import { locations } from "../../config/locations.ts";
import { EXIT } from "../../errors.ts";
import { makeDesired } from "../../plan/desired.ts";
import { explainRefusals } from "../../plan/explain.ts";
import { printable } from "../../sys/text.ts";
import { printJson } from "../json-output.ts";
import { loadSettings } from "../settings.ts";
import { absolute } from "../working-directory.ts";

export interface CheckOptions {
  readonly config?: string;
  readonly home?: string;
  readonly json?: true;
}

export async function check(file: string | undefined, options: CheckOptions): Promise<void> {
  const path = absolute(file ?? options.config ?? locations(process.env).configFile);
  const { config } = await loadSettings({ config: path, home: options.home, directory: [], file: [] });
  const desired = makeDesired(config, { root: process.geteuid?.() === 0 });
  const directories = desired.mounts.length + desired.links.filter((link) => link.what === "directory").length;
  const files = desired.links.length + desired.mounts.length - directories;
  const { refusals } = desired;
  process.exitCode = refusals.length > 0 ? EXIT.refused : EXIT.done;
  if (options.json === true) {
    printJson({ file: path, home: config.home, directories, files, refusals, notes: config.notes });
    return;
  }
  const verdict = refusals.length > 0 ? "is valid in part" : "is valid";
  const lines = [
    ...explainRefusals(refusals),
    `${path} ${verdict}: ${directories} directories and ${files} files for ${config.home}`,
    ...config.notes.map((note) => `note: ${note}`),
  ];
  for (const line of lines) process.stdout.write(`${printable(line)}\n`);
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
