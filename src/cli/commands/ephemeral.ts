// `hmpersist ephemeral`: what in the home would be gone at reboot. Needs no daemon and changes nothing but a baseline it is asked for.
import { join } from "node:path";
import { locations } from "../../config/locations.ts";
import { EXIT, HmpersistError } from "../../errors.ts";
import { parseBytes, parseSince } from "../../format.ts";
import type { EphemeralOptions as ReviewOptions } from "../../review/ephemeral.ts";
import { chooseStorage, nixLines, suggest, unreadableLines } from "../../review/suggest.ts";
import { printable } from "../../sys/text.ts";
import { isAllKept, renderEphemeral } from "../ephemeral-table.ts";
import { printJson } from "../json-output.ts";
import { style } from "../output.ts";
import { reviewConfig } from "../review-config.ts";
import { reviewWithProgress } from "../review-progress.ts";
import { absolute } from "../working-directory.ts";

export interface EphemeralOptions {
  readonly config?: string;
  readonly home?: string;
  readonly json?: true;
  readonly nix?: true;
  readonly storage?: string;
  readonly all?: true;
  readonly sort?: "size" | "age" | "name";
  readonly since?: string;
  readonly minSize?: string;
  /** A file, or true for the usual place. */
  readonly saveBaseline?: string | true;
  readonly diff?: string | true;
  readonly exitCode?: true;
  readonly interactive?: true;
}

export async function ephemeral(options: EphemeralOptions): Promise<void> {
  const found = await reviewConfig(options);
  if (options.interactive === true) {
    // Ink's colours do not know NO_COLOR, and look once, when they are loaded.
    if ((process.env["NO_COLOR"] ?? "") !== "") process.env["FORCE_COLOR"] = "0";
    const file = found.file ?? locations(process.env).configFile;
    const { choose } = await import("../interactive/run.tsx");
    return choose({ found, review: reviewOptions(options), file, storage: options.storage });
  }
  const storage = chooseStorage(found.config, options.storage);
  if (options.storage !== undefined && storage === undefined) {
    const known = found.config.storages.map(({ persistentStoragePath }) => persistentStoragePath).join(", ");
    const hint = known === "" ? "it names none: leave --storage out" : `leave --storage out, or name one of ${known}`;
    throw new HmpersistError("HMP_USAGE", `no storage ${printable(options.storage)} in the configuration`, hint);
  }
  const review = reviewOptions(options);
  const report = await reviewWithProgress(found, review);
  if (options.json === true) printJson(report);
  else if (options.nix === true) {
    const lines = [...nixLines(suggest(report.groups, storage), Date.now()), ...unreadableLines(report.unreadable)];
    for (const line of lines) process.stdout.write(`${line}\n`);
  } else process.stdout.write(renderEphemeral(report, style(process.stdout)));
  process.exitCode = options.exitCode === true && !isAllKept(report) ? EXIT.found : EXIT.done;
}

const baseline = (given: string | true): string => (given === true ? join(locations(process.env).stateDir, "baseline") : absolute(given));

function reviewOptions(options: EphemeralOptions): ReviewOptions {
  return {
    all: options.all === true,
    sort: options.sort ?? "size",
    since: options.since === undefined ? undefined : parseSince(options.since) / 1000,
    minSize: options.minSize === undefined ? undefined : parseBytes(options.minSize),
    diff: options.diff === undefined ? undefined : baseline(options.diff),
    save: options.saveBaseline === undefined ? undefined : baseline(options.saveBaseline),
  };
}
