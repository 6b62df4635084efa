// The grammar of the commands that look and change nothing: ephemeral, orphans, doctor.
import { Option, type Command } from "commander";

/** Adds them to `program`; `common` gives each what all commands have. */
export function addReviewCommands(program: Command, common: (command: Command) => Command): void {
  common(program.command("ephemeral"))
    .description("what in the home would be lost at reboot, grouped by what one would persist")
    .option("--home <dir>", "the home, if it is not the configuration's")
    .option("-i, --interactive", "walk through it on a full screen and choose what to keep")
    .option("--nix", "print lines for `directories` and `files` of a Nix configuration")
    .option("--storage <path>", "the storage that --nix and --interactive write entries for")
    .addOption(new Option("--sort <by>", "order").choices(["size", "age", "name"]).default("size"))
    .option("--since <when>", "only files changed since then: 30m, 2h, 3d, 2026-11-21")
    .option("--min-size <size>", "only groups of this size: 500k, 10M, 1.5GiB")
    .option("--all", "ignore nothing: also show caches, and what ephemeral.ignore names")
    .option("--save-baseline [file]", "remember what is there now")
    .option("--diff [file]", "only what is new or changed since the baseline was saved")
    .option("--exit-code", "end with 8 if anything is found, for a hook at shutdown")
    .addHelpText(
      "after",
      `
Examples:
  hmpersist ephemeral --min-size 1M
  hmpersist ephemeral --nix >> persistence.nix
  hmpersist ephemeral --save-baseline; some-program; hmpersist ephemeral --diff     what does it write?
  hmpersist ephemeral --diff --exit-code || notify-send 'not everything is kept'`,
    )
    .action(async (options) => (await import("./commands/ephemeral.ts")).ephemeral(options));

  common(program.command("orphans"))
    .description("what lies in storage that no entry of the configuration names; deletes nothing")
    .option("--all", "ignore nothing: also show /.git and lost+found")
    .addHelpText("after", "\nExamples:\n  hmpersist orphans\n  hmpersist orphans --json | jq -r '.storages[].groups[].path'")
    .action(async (options) => (await import("./commands/orphans.ts")).orphans(options));

  common(program.command("doctor"))
    .description("is this machine fit, is the configuration sound, and what runs: each finding with the line that mends it")
    .addHelpText(
      "after",
      "\nEnds with 8 if there is a problem; warnings alone end with 0.\n\nExamples:\n  hmpersist doctor\n  hmpersist doctor --json | jq '.areas[].findings[] | select(.verdict == \"problem\")'",
    )
    .action(async (options) => (await import("./commands/doctor.ts")).doctor(options));
}
