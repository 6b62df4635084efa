// A user logs out and in again: the login manager takes the runtime directory away and makes a new one, and a daemon that was started by
// hand goes on.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withSandbox } from "../helpers/sandbox.ts";

test("a daemon that outlives its runtime directory is found in the next one", { timeout: 120_000 }, () =>
  withSandbox("logout", {}, async (sandbox) => {
    const runtime = join(sandbox.base, "run");
    const login = (): Buffer => execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0700", "runtime", runtime]);
    const logout = (): Buffer => execFileSync("umount", ["--lazy", runtime]);
    mkdirSync(runtime, { recursive: true });
    mkdirSync(join(sandbox.storage, "data"));
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data"] } } });
    const mount = ["mount", "--config", sandbox.configFile];
    login();
    try {
      expect(await sandbox.run(mount)).toMatchObject({ code: 0 });
      const { daemon, server } = await sandbox.status();
      for (let round = 0; round < 2; round += 1) {
        logout();
        login();
        const found = await sandbox.statusUntil("the daemon", (report) => report.daemon !== null);
        expect([found.daemon?.pid, found.server?.pid]).toEqual([daemon?.pid, server?.pid]);
        expect((await sandbox.run(mount)).stderr).toContain(`running already (pid ${daemon?.pid})`);
        expect(sandbox.mounts()).toHaveLength(1);
      }
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    } finally {
      logout();
    }
  }),
);
