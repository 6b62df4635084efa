// npm run bench [-- SUBCOMMAND OPTIONS]: one subcommand a file, "operations" when none is named.
import { argv } from "node:process";
import { benchOperations } from "./operations.ts";
import { startup } from "./startup.ts";

const SUBCOMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  operations: benchOperations,
  startup,
};

const [first = "operations", ...rest] = argv.slice(2);
const subcommand = SUBCOMMANDS[first];
if (subcommand !== undefined) await subcommand(rest);
else if (first.startsWith("-")) await benchOperations(argv.slice(2));
else throw new Error(`no such benchmark: ${first} (there are: ${Object.keys(SUBCOMMANDS).join(", ")})`);
