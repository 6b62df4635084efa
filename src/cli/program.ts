// The command line's grammar: names, options, help. Each command's work is imported when it is run, so that `status` loads neither the
// schema library nor koffi.
import { Command, Option } from "commander";
import { VERSION } from "../version.ts";
import { addReviewCommands } from "./review-commands.ts";

const EXIT_CODES = `
Exit codes: 0 done; 1 internal error; 2 usage or invalid configuration; 3 refused or conflict; 4 environment (no fusermount3,
no /dev/fuse, not permitted); 5 no daemon; 6 busy; 7 done in part, or not all as it should be (status); 8 something was found
(ephemeral --exit-code, doctor).`;

const collect = (value: string, all: string[]): string[] => [...all, value];

/** Adds `--config` and `--json`, which nearly every command has. */
const common = (command: Command): Command =>
  command
    .option("-c, --config <file>", "configuration file (default: $XDG_CONFIG_HOME/hmpersist/config.json)")
    .option("--json", "machine-readable output");

export function createProgram(): Command {
  const program = new Command("hmpersist")
    .description("Brings a home directory on tmpfs back from persistent storage: directories are mounted, files are linked.")
    .version(VERSION)
    .showSuggestionAfterError()
    .showHelpAfterError("(add --help for the options)")
    .addHelpText("after", EXIT_CODES)
    .exitOverride();

  common(program.command("mount"))
    .description("mount and link everything, then keep it so in the background")
    .option("--foreground", "stay in the foreground, for a service manager")
    .option("--home <dir>", "the home, if it is not $HOME")
    .option("--storage <dir>", "without a configuration file: the persistent storage")
    .option("--directory <path>", "with --storage: a directory to mount, relative to it; may be repeated", collect, [])
    .option("--file <path>", "with --storage: a file to link, relative to it; may be repeated", collect, [])
    .option("--remove-prefix-directory", "with --storage: drop the first component of each path in the home")
    .option("--allow-other", "with --storage: let root and other users into the mounts")
    .option("--trace", "log every request and reply of the mounts")
    .addOption(new Option("--log-level <level>", "how much to log").choices(["error", "warn", "info", "debug"]).default("info"))
    .addHelpText(
      "after",
      "\nExamples:\n  hmpersist mount\n  hmpersist mount --config ~/persist.json\n  hmpersist mount --storage /persist --directory .mozilla --file .bash_history",
    )
    .action(async (options) => (await import("./commands/mount.ts")).mount(options));

  common(program.command("unmount"))
    .description("unmount everything and end the daemon; links stay")
    .option("-l, --lazy", "detach busy mounts: open files go on working until they are closed", false)
    .option("--leftovers", "for a service's ExecStopPost=: detach what is left, unless the service is about to start again", false)
    .argument("[target...]", "only these mountpoints; the daemon goes on")
    .addHelpText("after", "\nExamples:\n  hmpersist unmount\n  hmpersist unmount --lazy\n  hmpersist unmount ~/.mozilla")
    .action(async (targets, options) => (await import("./commands/unmount.ts")).unmount(targets, options));

  common(program.command("apply"))
    .description("make the running daemon follow the configuration; only what changed is touched")
    .option("--restart-server", "replace the serving process as well; mounts and open files stay", false)
    .addHelpText("after", "\nExamples:\n  hmpersist apply\n  hmpersist apply --config ~/persist.json")
    .action(async (options) => (await import("./commands/apply.ts")).apply(options));

  common(program.command("plan"))
    .description("say what would be done and what is refused; changes nothing")
    .option("--home <dir>", "the home, if it is not $HOME")
    .addHelpText("after", "\nExample:\n  hmpersist plan --config ~/persist.json")
    .action(async (options) => (await import("./commands/plan.ts")).plan(options));

  common(program.command("adopt"))
    .argument("<path...>", "directories or files of the home that the configuration lists")
    .description("move existing data into storage without loss, and put the mount or link in its place")
    .option("--home <dir>", "the home, if it is not $HOME")
    .option("--dry-run", "print sizes and decisions, change nothing")
    .addOption(
      new Option("--merge <which>", "what wins where home and storage differ").choices(["keep-home", "keep-storage", "newest"] as const),
    )
    .option("--ignore-open-files", "go on although programs have files open for writing")
    .addHelpText("after", "\nExamples:\n  hmpersist adopt --dry-run ~/.mozilla\n  hmpersist adopt --merge newest ~/.config/app")
    .action(async (paths, options) => (await import("./commands/adopt.ts")).adopt(paths, options));

  common(program.command("status"))
    .description("show every mount and link with its state")
    .option("--watch", "refresh in place until interrupted; with --json an object a line, without a terminal once")
    .addHelpText("after", "\nExamples:\n  hmpersist status\n  hmpersist status --json | jq '.entries[] | select(.healthy | not)'")
    .action(async (options) => (await import("./commands/status.ts")).status(options));

  const service = program.command("service").description("the unit that starts hmpersist with the session, without Home Manager or NixOS");
  const scoped = (name: string): Command =>
    service
      .command(name)
      .option("--user", "for this user")
      .option("--system", "for all users, outside of their homes")
      .option("--json", "machine-readable output");
  scoped("install")
    .description("write and enable hmpersist.service")
    .option("-c, --config <file>", "configuration file; with --system a path with %u for the user's name")
    .addHelpText(
      "after",
      "\nExamples:\n  hmpersist service install --config /persist/hmpersist.json\n  sudo hmpersist service install --system --config /persist/hmpersist/%u.json",
    )
    .action(async (options) => (await import("./commands/service.ts")).install(options));
  scoped("uninstall")
    .description("stop the service and remove its unit")
    .addHelpText("after", "\nExample:\n  hmpersist service uninstall")
    .action(async (options) => (await import("./commands/service.ts")).uninstall(options));
  scoped("status")
    .description("where the unit lies and whether it runs")
    .addHelpText("after", "\nExample:\n  hmpersist service status --json")
    .action(async (options) => (await import("./commands/service.ts")).status(options));

  const config = program.command("config").description("check a configuration, print its schema");
  common(config.command("check"))
    .description("validate the configuration and report all problems")
    .argument("[file]", "instead of --config")
    .option("--home <dir>", "the home, if it is not $HOME")
    .addHelpText("after", "\nEntries are judged for who runs this: root may do more.\n\nExample:\n  hmpersist config check persist.json")
    .action(async (file, options) => (await import("./commands/config.ts")).check(file, options));
  config
    .command("schema")
    .description("print the JSON Schema of the configuration, for editors")
    .option("--json", "JSON, as in any case")
    .addOption(new Option("--markdown", "tables of the options instead").conflicts("json"))
    .addHelpText("after", "\nExample:\n  hmpersist config schema > ~/.config/hmpersist/schema.json")
    .action(async (options) => (await import("./commands/config.ts")).schema(options));
  addReviewCommands(program, common);
  return program;
}
