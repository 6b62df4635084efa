// `hmpersist apply`: has the running daemon reconcile with the configuration now.
import { locations } from "../../config/locations.ts";
import { ask } from "../../daemon/control/client.ts";
import type { Outcome } from "../../daemon/daemon.ts";
import { printReport } from "../print.ts";
import { absolute } from "../working-directory.ts";

export interface ApplyOptions {
  readonly config?: string;
  readonly json?: true;
  readonly restartServer: boolean;
}

const TIMEOUT_MS = 60_000;

export async function apply(options: ApplyOptions): Promise<void> {
  const config = options.config === undefined ? {} : { config: absolute(options.config) };
  const request = { command: "apply", restartServer: options.restartServer, ...config } as const;
  const outcome = await ask<Outcome>(locations(process.env).controlSocket, request, TIMEOUT_MS);
  printReport(outcome.report, options);
  process.exitCode = outcome.exitCode;
}
