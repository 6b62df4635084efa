// `apply --restart-server`, the upgrade's path, under a program that makes thousands of files: a git clone.
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeRepository } from "../helpers/repository.ts";
import { withSandbox } from "../helpers/sandbox.ts";

const FILES = 2_000;

test("a git clone goes on while the server is restarted again and again", { timeout: 120_000 }, () =>
  withSandbox("restart", {}, async (sandbox) => {
    const origin = makeRepository(join(sandbox.base, "origin"), FILES);
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
