// `apply --restart-server`, the upgrade's path, under a program that makes thousands of files: a git clone.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withSandbox } from "../helpers/sandbox.ts";

const FILES = 2_000;

test("a git clone goes on while the server is restarted again and again", { timeout: 120_000 }, () =>
  withSandbox("restart", {}, async (sandbox) => {
    const origin = join(sandbox.base, "origin");
    for (let i = 0; i < FILES; i += 1) {
      const folder = join(origin, `folder${i % 50}`);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, `file${i}`), `content ${i}\n`.repeat(20));
    }
    const git = (...args: string[]): void => void execFileSync("git", ["-C", origin, "-c", "user.name=t", "-c", "user.email=t@t", ...args]);
    git("init", "-q");
    git("add", "-A");
    git("commit", "-qm", "files");
    const persistence = { [sandbox.storage]: { directories: ["data"] } };
    sandbox.writeConfig({ home: sandbox.home, engine: "kernel", persistence });
    expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
    const data = join(sandbox.home, "data");
    let done = false;
    const clone = (async () => {
      const script = `cd "$1" && git clone -q --no-local file://"$2" one && git -C one fsck --full && test -z "$(git -C one status --porcelain)"`;
      const ran = await sandbox.exec("sh", ["-c", script, "sh", data, origin]);
      done = true;
      return ran;
    })();
    let restarts = 0;
    for (; !done; restarts += 1) {
      const applied = await sandbox.run(["apply", "--restart-server"]);
      expect(applied.code, applied.stderr + sandbox.log().slice(-3000)).toBe(0);
    }
    const cloned = await clone;
    expect(cloned, cloned.stderr).toMatchObject({ code: 0 });
    expect(restarts).toBeGreaterThan(0);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);
