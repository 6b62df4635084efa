// A configuration from a file or from the command line. Whoever calls this gets a Config or one HmpersistError that lists every
// problem, a line each. Importing it loads the schema library (about 100 ms): `status` and the server process must not.
import { isAbsolute, resolve as absolute } from "node:path";
import { HmpersistError } from "../errors.ts";
import { printable } from "../sys/text.ts";
import type { Config } from "./config.ts";
import { ownIdentity } from "./identity.ts";
import { JsonError, parseJson } from "./json.ts";
import { homeOf } from "./locations.ts";
import type { OptionPath, Problem } from "./problems.ts";
import { readConfigFile } from "./read.ts";
import { resolve } from "./resolve.ts";

/** The configuration in the file `path`. Throws HMP_CONFIG_INVALID, and what `readConfigFile` throws. */
export async function loadConfig(path: string, env: NodeJS.ProcessEnv = process.env): Promise<Config> {
  return parseConfig(await readConfigFile(path), path, env);
}

/** The configuration in `text`; `where` names it in messages. */
export function parseConfig(text: string, where: string, env: NodeJS.ProcessEnv = process.env): Config {
  return checked(where, resolve(readJson(text, where), { home: homeOf(env), identity: ownIdentity }));
}

/** What `mount --storage DIR --directory D... --file F...` says in place of a file. */
export interface AdHoc {
  readonly home?: string | undefined;
  readonly storage: string;
  readonly directories?: readonly string[] | undefined;
  readonly files?: readonly string[] | undefined;
  readonly removePrefixDirectory?: boolean | undefined;
  readonly allowOther?: boolean | undefined;
}

/** A Config of one storage, checked as strictly as a file. Relative --home and --storage count from the working directory. */
export function adHocConfig(options: AdHoc, env: NodeJS.ProcessEnv = process.env): Config {
  const { directories = [], files = [], removePrefixDirectory = false, allowOther = false } = options;
  const home = options.home === undefined ? homeOf(env) : absolute(options.home);
  const storage = isAbsolute(options.storage) ? options.storage : absolute(options.storage);
  const value = { home, persistence: { [storage]: { directories, files, removePrefixDirectory, allowOther } } };
  const nameOf = ([first, , list, index]: OptionPath): string => {
    if (first === "home") return "--home";
    if (list === "directories") return `--directory ${printable(directories[Number(index)] ?? "")}`;
    if (list === "files") return `--file ${printable(files[Number(index)] ?? "")}`;
    return `--storage ${printable(options.storage)}`;
  };
  return checked("the command line", resolve(value, { home, identity: ownIdentity, nameOf }));
}

function checked(where: string, { config, problems }: { config: Config; problems: readonly Problem[] }): Config {
  if (problems.length === 0) return config;
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  throw new HmpersistError("HMP_CONFIG_INVALID", [`${printable(where)}: ${count}`, ...problems.map(line)].join("\n"));
}

const line = ({ option, problem, wayOut }: Problem): string => printable(`  ${option === "" ? "" : `${option}: `}${problem}; ${wayOut}`);

function readJson(text: string, where: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const problem = `${printable(where)}:${error.line}:${error.column}: ${error.message}`;
    throw new HmpersistError("HMP_CONFIG_INVALID", problem, "correct the JSON at that line and column", { cause: error });
  }
}
