// `hmpersist doctor`: is this machine, this configuration and what runs now fit; each finding with the line that mends it.
import { withDaemonConfig } from "../daemon-config.ts";
import { examine } from "../../doctor/doctor.ts";
import { EXIT } from "../../errors.ts";
import { renderDoctor } from "../doctor-table.ts";
import { printJson } from "../json-output.ts";
import { style } from "../output.ts";

export interface DoctorOptions {
  readonly config?: string;
  readonly json?: true;
}

export async function doctor(options: DoctorOptions): Promise<void> {
  const report = await examine(process.env, (await withDaemonConfig(options)).config);
  if (options.json === true) printJson(report);
  else process.stdout.write(renderDoctor(report, style(process.stdout)));
  process.exitCode = report.counts.problem > 0 ? EXIT.found : EXIT.done;
}
