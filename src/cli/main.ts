// Runs a command and ends the process: the only place that does.
import { CommanderError } from "commander";
import { EXIT, HmpersistError } from "../errors.ts";
import { isAnyLate } from "../gate.ts";
import { printable, printableLines } from "../sys/text.ts";
import { printJson } from "./json-output.ts";
import { createProgram } from "./program.ts";
import { guardStreams, outputFailure } from "./streams.ts";
import { leaveDeletedDirectory } from "./working-directory.ts";

async function main(argv: readonly string[]): Promise<number> {
  const program = createProgram();
  try {
    await program.parseAsync([...argv]);
    return Number(process.exitCode ?? EXIT.done);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : misused(error, argv);
    if (error instanceof HmpersistError) return complain(error, argv);
    process.stderr.write(
      `hmpersist: internal error, please report it: ${printableLines(error instanceof Error ? (error.stack ?? error.message) : String(error))}\n`,
    );
    return EXIT.internal;
  }
}

// People have been told by commander.
function misused({ message }: CommanderError, argv: readonly string[]): number {
  const error = { code: "HMP_USAGE", message: message.replace(/^error: /, ""), hint: "add --help for the options" };
  if (argv.includes("--json")) printJson({ error });
  return EXIT.usage;
}

function complain(error: HmpersistError, argv: readonly string[]): number {
  if (argv.includes("--json")) {
    printJson({ error: { code: error.code, message: error.message, hint: error.hint ?? null } });
  }
  return tell(error);
}

function tell({ message, hint, exitCode }: HmpersistError): number {
  process.stderr.write(`hmpersist: ${printableLines(message)}\n`);
  if (hint !== undefined) process.stderr.write(`  hint: ${printable(hint)}\n`);
  return exitCode;
}

// Whoever closes a pipe has read enough.
async function end(code: number): Promise<never> {
  const failure = outputFailure();
  const lost = failure !== undefined && failure.code !== "EPIPE";
  const hint = "make room there, or send the output elsewhere";
  const last = lost ? tell(new HmpersistError("HMP_ENVIRONMENT", `the output could not be written: ${failure.code}`, hint)) : code;
  // exit(3) would wait for a thread that waits for a file system.
  if (isAnyLate()) (await import("../sys/exit.ts")).endWithoutThreads();
  return process.exit(last);
}

guardStreams();
leaveDeletedDirectory();
const code = await main(process.argv);
process.exitCode = code;
// Output to a pipe is written asynchronously: the process ends when it is, though a handle would keep it for ever.
if (process.stdout.writableLength === 0) await end(code);
process.stdout.write("", () => void end(code));
