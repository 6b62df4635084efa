// Prints a status report: one JSON object, or the table.
import type { StatusReport } from "../daemon/status.ts";
import { renderStatus } from "./status-table.ts";

export function printReport(report: StatusReport, options: { readonly json?: true }): void {
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  const colour = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
  process.stdout.write(`${renderStatus(report, { colour, width: process.stdout.columns ?? 120 })}\n`);
}
