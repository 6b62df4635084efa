// Prints a status report: one JSON object, or the table.
import type { StatusReport } from "../daemon/status.ts";
import { style } from "./output.ts";
import { renderStatus } from "./status-table.ts";

export function printReport(report: StatusReport, options: { readonly json?: true }): void {
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  process.stdout.write(`${renderStatus(report, style(process.stdout))}\n`);
}
