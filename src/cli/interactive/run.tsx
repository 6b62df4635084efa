// Runs the chooser on the alternate screen, then does what was chosen: the terminal is as before by then, so that what is printed
// stays.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { render } from "ink";
import { EXIT, HmpersistError } from "../../errors.ts";
import { reviewHome, type EphemeralOptions, type EphemeralReport } from "../../review/ephemeral.ts";
import { chooseStorage, nixLines, suggest, type Suggestion } from "../../review/suggest.ts";
import { extendConfig, ignorePattern, whyNotWritable } from "../../review/write-config.ts";
import { printable, printableJson } from "../../sys/text.ts";
import { daemonStatus } from "../daemon-config.ts";
import { forgetful, isAllKept, unread } from "../ephemeral-table.ts";
import { screenSize } from "../output.ts";
import type { ReviewConfig } from "../review-config.ts";
import { reviewWithProgress } from "../review-progress.ts";
import { storageObstacle } from "../storage-obstacle.ts";
import { absolute } from "../working-directory.ts";
import { Controller, type Outcome } from "./controller.ts";
import { keysIn } from "./keys.ts";
import { marked, type State } from "./model.ts";
import { listHeight, Screen } from "./screen.tsx";

export interface Chooser {
  readonly found: ReviewConfig;
  readonly review: EphemeralOptions;
  /** Where a configuration is, or is to be. */
  readonly file: string;
  /** --storage */
  readonly storage: string | undefined;
}

const ALTERNATE_SCREEN = "\x1b[?1049h\x1b[H";
const MAIN_SCREEN = "\x1b[?1049l\x1b[?25h";

/** @throws HmpersistError HMP_USAGE without a terminal. */
export async function choose(chooser: Chooser): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new HmpersistError("HMP_USAGE", "--interactive needs a terminal", "leave it out, or use --nix or --json");
  }
  const report = await reviewWithProgress(chooser.found, chooser.review);
  if (report.groups.length === 0) {
    const { count } = report.unreadable;
    const nothing = isAllKept(report) ? "nothing would be gone at reboot" : forgetful(report).join("\n");
    process.stdout.write(`${nothing}${count > 0 ? `, but ${unread(count)}` : ""}\n`);
    return;
  }
  const { outcome, state } = await show(chooser, report);
  process.exitCode = await act(chooser, outcome, state);
}

async function show(chooser: Chooser, report: EphemeralReport): Promise<{ outcome: Outcome; state: State }> {
  const { stdin, stdout } = process;
  const stop = new AbortController();
  const { minSize: _, save: __, ...inner } = chooser.review;
  const unwritable = await whyUnwritable(chooser);
  let finish: (outcome: Outcome) => void = () => {};
  const finished = new Promise<Outcome>((resolve) => (finish = resolve));
  const controller = new Controller({
    groups: report.groups,
    open: async (path) => (await reviewHome(chooser.found.config, { ...inner, at: path }, undefined, stop.signal)).groups,
    unwritable,
    page: () => listHeight(screenSize(stdout).rows, report),
    done: finish,
  });
  const typed = (chunk: string): void => keysIn(chunk).forEach((key) => controller.press(key));
  const lost = (): void => finish("quit");
  stdin.setRawMode(true).setEncoding("utf8").on("data", typed).on("end", lost);
  // Whoever is told to end leaves a terminal that can be used. Not `once`: where no listener is left ink ends the process at once.
  process.on("SIGTERM", lost).on("SIGHUP", lost);
  stdout.write(ALTERNATE_SCREEN);
  const screen = render(<Screen controller={controller} report={report} unwritable={unwritable} />, { exitOnCtrlC: false });
  try {
    return { outcome: await finished, state: controller.state };
  } finally {
    stop.abort(new Error("left"));
    screen.unmount();
    process.off("SIGTERM", lost).off("SIGHUP", lost);
    stdin.off("data", typed).off("end", lost).setRawMode(false).pause();
    stdout.write(MAIN_SCREEN);
  }
}

interface Destination {
  readonly key: string;
  readonly path: string;
}

/** The storage to write to; a path that is configured nowhere becomes a storage of its own. */
function destinationOf({ found, storage }: Chooser): Destination | undefined {
  const configured = chooseStorage(found.config, storage);
  if (configured !== undefined) return { key: configured.key, path: configured.persistentStoragePath };
  return storage === undefined ? undefined : { key: absolute(storage), path: absolute(storage) };
}

async function whyUnwritable(chooser: Chooser): Promise<string | undefined> {
  const destination = destinationOf(chooser);
  if (destination === undefined) return "no storage is configured: name one with --storage";
  const obstacle = await storageObstacle(destination.path);
  return obstacle === undefined ? whyNotWritable(chooser.file) : `${obstacle.reason}; ${obstacle.hint}`;
}

async function act(chooser: Chooser, outcome: Outcome, state: State): Promise<number> {
  const suggestion = suggest(marked(state, "persist"), chooseStorage(chooser.found.config, chooser.storage));
  const ignored = marked(state, "ignore").map(({ path, type }) => ignorePattern(path, type === "directory"));
  switch (outcome) {
    case "quit":
      return EXIT.done;
    case "nix":
      for (const line of nixLines(suggestion, Date.now())) process.stdout.write(`${line}\n`);
      return EXIT.done;
    case "json":
      process.stdout.write(`${printableJson(JSON.stringify(jsonEntries(suggestion, ignored), null, 2))}\n`);
      return EXIT.done;
    case "write":
    case "adopt": {
      const destination = destinationOf(chooser);
      if (destination === undefined) throw new HmpersistError("HMP_USAGE", "no storage to write entries for", "name one with --storage");
      extendConfig(chooser.file, destination.key, suggestion, ignored);
      for (const { group, why } of suggestion.left.filter((each) => !each.group.configured))
        process.stdout.write(`left out: ~/${printable(group.path)} (${why})\n`);
      process.stdout.write(`written: ${printable(chooser.file)}\n`);
      return outcome === "write" ? EXIT.done : adopt(chooser, state, suggestion);
    }
  }
}

const jsonEntries = ({ directories, files }: Suggestion, ignore: readonly string[]): object => ({
  directories: directories.map(({ entry, method }) => (method === null ? entry : { directory: entry, method })),
  files: files.map(({ entry }) => entry),
  ...(ignore.length > 0 ? { "ephemeral.ignore": ignore } : {}),
});

/** Moves what was chosen into storage with `hmpersist adopt`, whose exit code is ours; an entry that was there before comes along. */
async function adopt({ found, file }: Chooser, state: State, { directories, files }: Suggestion): Promise<number> {
  const groups = [
    ...[...directories, ...files].map(({ group }) => group),
    ...marked(state, "persist").filter(({ configured }) => configured),
  ];
  if (groups.length === 0) return EXIT.done;
  // It refuses what is still in the way, which is just what is adopted next.
  if ((await daemonStatus()) === undefined) await own(["mount", "--config", file], "ignore");
  return own(["adopt", "--config", file, "--", ...groups.map(({ path }) => join(found.config.home, path))], "inherit");
}

/** Runs this program with other arguments. */
function own(args: readonly string[], stdout: "ignore" | "inherit"): Promise<number> {
  const child = spawn(process.execPath, [process.argv[1] ?? "", ...args], { stdio: ["ignore", stdout, "inherit"] });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? EXIT.internal));
  });
}
