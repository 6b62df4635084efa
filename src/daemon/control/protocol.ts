// Control socket: one JSON object a line each way, one request at a time per connection. Shapes are checked by hand: loading the schema
// library would cost `status` more time than everything else it does.
import type { ExitCode } from "../../errors.ts";

/** A longer line ends the connection. */
export const MAX_MESSAGE = 4 * 1024 * 1024;

export type ControlRequest =
  | { readonly command: "status" }
  /** What the configuration is read from: see Followed. */
  | { readonly command: "settings" }
  /** Reconcile now. `config` replaces the configuration file from here on. */
  | { readonly command: "apply"; readonly config?: string; readonly restartServer?: boolean }
  | { readonly command: "plan" }
  /** Unmount these targets, or everything and end. `lazy` detaches busy ones. */
  | { readonly command: "unmount"; readonly lazy: boolean; readonly targets?: readonly string[] };

/** The command line the daemon was started with, and the file taken last (null: none yet, or the command line itself). */
export interface Followed {
  readonly settings: object;
  readonly file: string | null;
}

export type ControlReply =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly hint?: string; readonly exitCode: ExitCode };

const isStringArray = (value: unknown): value is string[] => Array.isArray(value) && value.every((item) => typeof item === "string");
const optional = (value: unknown, type: "string" | "boolean"): boolean => value === undefined || typeof value === type;

/** The request in `line`, or undefined if it is none. */
export function parseRequest(line: string): ControlRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const request = value as Record<string, unknown>;
  switch (request["command"]) {
    case "status":
    case "settings":
    case "plan":
      return { command: request["command"] };
    case "apply":
      return optional(request["config"], "string") && optional(request["restartServer"], "boolean")
        ? (request as ControlRequest)
        : undefined;
    case "unmount":
      return typeof request["lazy"] === "boolean" && (request["targets"] === undefined || isStringArray(request["targets"]))
        ? (request as ControlRequest)
        : undefined;
    default:
      return undefined;
  }
}
