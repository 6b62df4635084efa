// The one error class that reaches a user: what is wrong and where, and what to do about it. Callers match `code`, never words.

/** Exit codes of the command line, stable for scripts. Retired numbers stay here as comments. */
export const EXIT = {
  done: 0,
  internal: 1,
  usage: 2,
  refused: 3,
  environment: 4,
  noDaemon: 5,
  busy: 6,
  partial: 7,
  /** `ephemeral --exit-code`, and `doctor`: something was found. */
  found: 8,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Every failure a user can meet, with the exit code it ends the program with. */
export const ERROR_EXIT = {
  HMP_USAGE: EXIT.usage,
  HMP_CONFIG_INVALID: EXIT.usage,
  HMP_CONFIG_MISSING: EXIT.usage,
  HMP_REFUSED: EXIT.refused,
  HMP_CONFLICT: EXIT.refused,
  HMP_ENVIRONMENT: EXIT.environment,
  HMP_NO_DAEMON: EXIT.noDaemon,
  HMP_DAEMON_RUNNING: EXIT.busy,
  HMP_BUSY: EXIT.busy,
  HMP_PARTIAL: EXIT.partial,
  HMP_TIMEOUT: EXIT.internal,
  HMP_INTERNAL: EXIT.internal,
} as const satisfies Record<string, ExitCode>;

export type ErrorCode = keyof typeof ERROR_EXIT;

export class HmpersistError extends Error {
  override readonly name = "HmpersistError";
  readonly code: ErrorCode;
  /** What to do, one line; shown after the message. */
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }

  get exitCode(): ExitCode {
    return ERROR_EXIT[this.code];
  }
}
