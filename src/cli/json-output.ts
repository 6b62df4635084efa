// What `--json` prints: one object on one line. Names in it come from file systems and a terminal may be looking.
import { stdout } from "node:process";
import { printableJson } from "../sys/text.ts";

export const printJson = (value: unknown): void => void stdout.write(printableJson(`${JSON.stringify(value)}\n`));
