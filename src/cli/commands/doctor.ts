// `hmpersist doctor`: is this machine, this configuration and what runs now fit; each finding with the line that mends it.
import { examine } from "../../doctor/doctor.ts";
import { EXIT } from "../../errors.ts";
import { settingsFor } from "../daemon-config.ts";
import { renderDoctor } from "../doctor-table.ts";
import { printJson } from "../json-output.ts";
import { style } from "../output.ts";
import { loadSettings } from "../settings.ts";

export interface DoctorOptions {
  readonly config?: string;
  readonly json?: true;
}

export async function doctor(options: DoctorOptions): Promise<void> {
  const settings = settingsFor(options);
  // A daemon that does not answer is a finding, too.
  const { config: file } = await settings.catch(() => options);
  const report = await examine(process.env, { file, load: async () => loadSettings(await settings) });
  if (options.json === true) printJson(report);
  else process.stdout.write(renderDoctor(report, style(process.stdout)));
  process.exitCode = report.counts.problem > 0 ? EXIT.found : EXIT.done;
}
