// What real programs do to a linked file, with the keeper running: afterwards the link stands, and storage has what was saved.
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { LinkSpec } from "../../src/plan/types.ts";
import { until } from "../helpers/deadline.ts";
import { KeeperProcess } from "./keeper-process.ts";
import { makeGrounds, type Grounds } from "./place.ts";

let grounds: Grounds;
let keeper: KeeperProcess;
const NAMES = ["plain", ".config/app/settings.conf", ".zsh_history", ".bash_history", "data.db", ".config/user-dirs.dirs"];

beforeAll(async () => {
  grounds = makeGrounds("programs");
  keeper = new KeeperProcess(
    grounds,
    NAMES.map((name) => grounds.spec(name)),
  );
  await keeper.heard("ready");
});
afterAll(async () => {
  await keeper.end();
  grounds.remove();
});

let spec: LinkSpec;
beforeEach(() => {
  spec = grounds.spec("plain");
  writeFileSync(spec.target, "one\ntwo\n");
});
afterEach(async () => {
  // Nothing of ours is left beside the user's files once a healing is over, which is a moment after the link stands.
  const left = (): string[] =>
    [grounds.home, grounds.storage].flatMap((root) =>
      (readdirSync(root, { recursive: true }) as string[]).filter((name) => /\.hmpersist-(new|swap)/.test(name)),
    );
  await until(
    "private names to be gone",
    10_000,
    () => left().length === 0,
    () => left().join(),
  );
});

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, {
    cwd: grounds.home,
    encoding: "utf8",
    env: { ...process.env, HOME: grounds.home, TERM: "dumb" },
    timeout: 20_000,
    stdio: ["ignore", "pipe", "inherit"],
  });
const sh = (script: string): string => run("bash", "-c", script);

const isLinked = (of = spec): boolean =>
  lstatSync(of.target, { throwIfNoEntry: false })?.isSymbolicLink() === true && readlinkSync(of.target) === of.source;

async function saved(content: string | RegExp, of = spec): Promise<void> {
  const dump = (): string => JSON.stringify(keeper.said.slice(-5));
  await until(`${of.target} being a link again`, 10_000, () => isLinked(of), dump);
  await until(
    `storage having it`,
    10_000,
    () => (typeof content === "string" ? readFileSync(of.source, "utf8") === content : content.test(readFileSync(of.source, "utf8"))),
    dump,
  );
}

const REPLACING: Record<string, { script: string; content: string | RegExp; needs?: string }> = {
  "sed -i": { script: "sed -i s/one/1/ plain", content: "1\ntwo\n" },
  "cp --remove-destination": { script: "printf new > /tmp/$$; cp --remove-destination /tmp/$$ plain; rm /tmp/$$", content: "new" },
  "mv of a temporary, as Qt and KDE save": {
    script: "printf saved > plain.XXab12; sync plain.XXab12; mv -f plain.XXab12 plain",
    content: "saved",
  },
  rsync: { script: "printf synced > src; rsync -a src plain; rm src", content: "synced", needs: "rsync" },
  "vim -es": { script: "vim -u NONE -es -c '%s/two/2/' -c wq plain </dev/null", content: "one\n2\n", needs: "vim" },
  "vim without backupcopy": {
    script: "vim -u NONE -es -c 'set backupcopy=no' -c '%s/two/2/' -c wq plain </dev/null",
    content: "one\n2\n",
    needs: "vim",
  },
  "gio save": { script: "printf gio | gio save plain", content: "gio", needs: "gio" },
  "perl -i": { script: "perl -i -pe 's/one/1/' plain", content: "1\ntwo\n", needs: "perl" },
  "deleting and writing again": { script: "rm plain; printf again > plain", content: "again" },
  install: { script: "printf i > src; install -m 600 src plain; rm src", content: "i" },
  "python's os.replace": {
    script: "python3 -c \"import os; open('t','w').write('py'); os.replace('t','plain')\"",
    content: "py",
    needs: "python3",
  },
  "writing in place": { script: "printf direct > plain", content: "direct" },
  appending: { script: "printf three >> plain", content: "one\ntwo\nthree" },
};

const has = (program: string): boolean => {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

for (const [title, { script, content, needs }] of Object.entries(REPLACING)) {
  test(title, async (context) => {
    if (needs !== undefined && !has(needs)) return context.skip(`${needs} is not installed`);
    sh(script);
    await saved(content);
  });
}

test("nano saves and the link stands", async (context) => {
  if (!has("nano") || !has("tmux")) return context.skip("nano or tmux is not installed");
  const socket = join(grounds.base, "tmux");
  try {
    run("tmux", "-S", socket, "new-session", "-d", "-x", "80", "-y", "24", `nano --ignorercfiles ${spec.target}`);
    await until("nano showing the file", 10_000, () => run("tmux", "-S", socket, "capture-pane", "-p").includes("two"));
    run("tmux", "-S", socket, "send-keys", "zero ", "C-o", "Enter");
    await saved("zero one\ntwo\n");
  } finally {
    run("tmux", "-S", socket, "kill-server");
  }
});

test("git config --file", async () => {
  sh("git config --file .config/app/settings.conf core.editor vim");
  await saved(/editor = vim/, grounds.spec(".config/app/settings.conf"));
  sh("git config --file .config/app/settings.conf core.pager less");
  await saved(/pager = less/, grounds.spec(".config/app/settings.conf"));
});

test("bash history", async () => {
  sh("HISTFILE=~/.bash_history bash --norc -i -c 'history -s first; history -w; history -s second; history -a' 2>/dev/null");
  await saved(/first/, grounds.spec(".bash_history"));
});

test("zsh history, which is saved by rename", async (context) => {
  if (!has("zsh")) return context.skip("zsh is not installed");
  for (const word of ["first", "second"])
    sh(`HISTFILE=~/.zsh_history SAVEHIST=100 HISTSIZE=100 zsh -f -i -c 'fc -R 2>/dev/null; print -s ${word}; fc -W' 2>/dev/null`);
  await saved(/first[^]*second/, grounds.spec(".zsh_history"));
});

test("xdg-user-dirs-update", async (context) => {
  if (!has("xdg-user-dirs-update")) return context.skip("xdg-user-dirs-update is not installed");
  sh("XDG_CONFIG_HOME=$HOME/.config xdg-user-dirs-update; XDG_CONFIG_HOME=$HOME/.config xdg-user-dirs-update --set DOWNLOAD $HOME/dl");
  await saved(/DOWNLOAD/, grounds.spec(".config/user-dirs.dirs"));
});

test("a linked sqlite database keeps its journal and WAL beside the real file, in storage", async (context) => {
  if (!has("sqlite3")) return context.skip("sqlite3 is not installed");
  const database = grounds.spec("data.db");
  run("sqlite3", database.target, "pragma journal_mode=wal; create table t(x); insert into t values(1);");
  const held = sh(`python3 - <<'EOP'
import sqlite3, os
c = sqlite3.connect("${database.target}")
c.execute("insert into t values(2)"); c.commit()
print(os.path.exists("${database.source}-wal"), os.path.exists("${database.target}-wal"))
EOP`);
  expect(held.trim()).toBe("True False");
  expect(isLinked(database)).toBe(true);
  // A program that replaces the whole database by rename is healed like any other file.
  run("sqlite3", database.target, ".backup other.db");
  run("mv", "other.db", "data.db");
  await until("the database being a link again", 10_000, () => isLinked(database));
  expect(run("sqlite3", database.source, "select count(*) from t").trim()).toBe("2");
});

test("ln -sf puts somebody else's link there: it stays, and status says so", async () => {
  sh("ln -sf /etc/hostname plain");
  await keeper.heard("link conflicted", spec.target);
  expect(readlinkSync(spec.target)).toBe("/etc/hostname");
  expect(await keeper.status()).toContainEqual(
    expect.objectContaining({ target: spec.target, state: "conflicted", reason: expect.stringContaining("/etc/hostname") }),
  );
  sh("rm plain");
  await until("the link being back", 10_000, () => isLinked());
});

test("a deleted link is put back and what storage holds shows again", async () => {
  sh("rm plain");
  await until("the link being back", 10_000, () => isLinked());
  expect(readFileSync(spec.target, "utf8")).toBe("one\ntwo\n");
});

test("a parent that is removed and made again is watched again", async () => {
  const deep = grounds.spec(".config/app/settings.conf");
  for (const content of ["x", "y"]) {
    sh("rm -r .config");
    await until("the link being back", 10_000, () => isLinked(deep));
    mkdirSync(dirname(deep.target), { recursive: true });
    sh(`printf ${content} > t; mv t ${deep.target}`);
    await saved(content, deep);
  }
});

test("healing takes a fraction of a second and is counted", async () => {
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  const times: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const start = performance.now();
    sh(`printf ${round} > t; mv t .config/app/settings.conf`);
    await until("the link being back", 10_000, () => isLinked(grounds.spec(".config/app/settings.conf")));
    times.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 2_600));
  }
  times.sort((a, b) => a - b);
  console.log(`healed after ${times.map((ms) => ms.toFixed(0)).join(", ")} ms, two processes included`);
  expect(times[0]).toBeLessThan(1_000);
  const status = (await keeper.status()).find((link) => link.target.endsWith("settings.conf"));
  expect(status?.healed).toBeGreaterThanOrEqual(3);
  expect(existsSync(status?.target ?? "")).toBe(true);
});
