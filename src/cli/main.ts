// Runs a command and ends the process: the only place that does.
import { CommanderError } from "commander";
import { EXIT, HmpersistError } from "../errors.ts";
import { isAnyLate } from "../gate.ts";
import { printable, printableLines } from "../sys/text.ts";
import { printJson } from "./json-output.ts";
import { createProgram } from "./program.ts";

async function main(argv: readonly string[]): Promise<number> {
  const program = createProgram();
  try {
    await program.parseAsync([...argv]);
    return Number(process.exitCode ?? EXIT.done);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (error instanceof HmpersistError) return complain(error, argv);
    process.stderr.write(
      `hmpersist: internal error, please report it: ${printableLines(error instanceof Error ? (error.stack ?? error.message) : String(error))}\n`,
    );
    return EXIT.internal;
  }
}

function complain(error: HmpersistError, argv: readonly string[]): number {
  if (argv.includes("--json")) {
    printJson({ error: { code: error.code, message: error.message, hint: error.hint ?? null } });
  }
  process.stderr.write(`hmpersist: ${printableLines(error.message)}\n`);
  if (error.hint !== undefined) process.stderr.write(`  hint: ${printable(error.hint)}\n`);
  return error.exitCode;
}

const code = await main(process.argv);
// Output to a pipe is written asynchronously: the process ends when it is, unless a handle would keep it for ever.
process.exitCode = code;
if (process.stdout.writableLength === 0) await end();
process.stdout.once("drain", () => void end());

async function end(): Promise<never> {
  // exit(3) would wait for a thread that waits for a file system.
  if (isAnyLate()) (await import("../sys/libc.ts")).libc._exit(code);
  return process.exit(code);
}
