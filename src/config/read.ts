// The bytes of a configuration file. It may lie in a storage that hangs, or below a mount whose server the caller has yet to start, so it is
// not waited for longer than a deadline.
import { readFile, stat } from "node:fs/promises";
import { HmpersistError } from "../errors.ts";
import { Gate } from "../gate.ts";
import { isErrno } from "../sys/errno.ts";
import { printable } from "../sys/text.ts";

const gate = new Gate();

/** What the shell's <(...) and /dev/stdin are: others may be waited for until somebody writes, which may be never. */
const FROM_A_SHELL = /^\/(dev\/stdin$|dev\/fd\/|proc\/self\/fd\/)/;

/** Throws HMP_CONFIG_MISSING where there is none, HMP_ENVIRONMENT where the file system does not answer, HMP_CONFIG_INVALID for the rest. */
export async function readConfigFile(path: string): Promise<string> {
  const bytes = await gate.run(() => read(path), undefined);
  const name = printable(path);
  if (bytes === undefined) throw new HmpersistError("HMP_ENVIRONMENT", `${name} does not answer`, "check the disk or network it lies on");
  if (bytes instanceof Error) throw refusal(name, bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new HmpersistError("HMP_CONFIG_INVALID", `${name} is not UTF-8`, "save it as UTF-8", { cause: error });
  }
}

async function read(path: string): Promise<Buffer | Error> {
  try {
    const found = await stat(path);
    if (found.isFile() || found.isDirectory() || FROM_A_SHELL.test(path)) return await readFile(path);
    return new Error("it is not a file");
  } catch (error) {
    return error as Error;
  }
}

function refusal(name: string, error: NodeJS.ErrnoException): HmpersistError {
  if (isErrno(error, "ENOENT", "ENOTDIR")) {
    return new HmpersistError(
      "HMP_CONFIG_MISSING",
      `there is no configuration at ${name}`,
      "write it (see `hmpersist config schema`), or name another with --config; `hmpersist mount --storage DIR --directory PATH` needs none",
    );
  }
  const reason = error.code ?? error.message;
  return new HmpersistError("HMP_CONFIG_INVALID", `${name} cannot be read: ${reason}`, "name a readable file with --config", {
    cause: error,
  });
}
