// `hmpersist orphans`: what lies in storage that no entry names.
import { EXIT } from "../../errors.ts";
import { formatCount } from "../../format.ts";
import { findOrphans } from "../../review/orphans.ts";
import { printable } from "../../sys/text.ts";
import { settingsFor } from "../daemon-config.ts";
import { printJson } from "../json-output.ts";
import { renderOrphans } from "../orphans-table.ts";
import { style } from "../output.ts";
import { progressLine } from "../progress.ts";
import { loadSettings } from "../settings.ts";

export interface OrphansOptions {
  readonly config?: string;
  readonly json?: true;
  readonly all?: true;
}

export async function orphans(options: OrphansOptions): Promise<void> {
  const { config } = await loadSettings(await settingsFor(options));
  const line = progressLine(process.stderr);
  const report = await findOrphans(config, { all: options.all === true }, ({ files, path }) =>
    line.show(`${formatCount(files)} files  ${printable(path)}`),
  ).finally(() => line.clear());
  if (options.json === true) printJson(report);
  else process.stdout.write(renderOrphans(report, style(process.stdout)));
  process.exitCode = report.storages.some(({ problem }) => problem !== null) ? EXIT.partial : EXIT.done;
}
