// Prints a status report: one JSON object, or the table.
import type { StatusReport } from "../daemon/status.ts";
import { printJson } from "./json-output.ts";
import { style } from "./output.ts";
import { renderStatus } from "./status-table.ts";

export function printReport(report: StatusReport, options: { readonly json?: true }): void {
  if (options.json === true) {
    printJson(report);
    return;
  }
  process.stdout.write(`${renderStatus(report, style(process.stdout))}\n`);
}
