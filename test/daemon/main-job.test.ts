// The main job through the built program, as root and as an ordinary user: a whole configuration mounted and linked, written through,
// and back after the home was thrown away.
import { existsSync, lstatSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

const HEALTHY = new Set(["mounted", "linked", "dangling"]);

async function writeAll(sandbox: Sandbox, directories: readonly string[], files: readonly string[]): Promise<void> {
  const script = [
    "set -e",
    ...directories.map((path) => `mkdir -p '${path}/sub'; printf '%s' 'kept ${path}' > '${path}/sub/data'`),
    ...files.map((path) => `printf '%s' 'kept ${path}' > '${path}'`),
    "echo gone > not-listed",
  ].join("\n");
  const wrote = await sandbox.exec("sh", ["-c", `cd "$HOME"\n${script}`]);
  expect(wrote).toMatchObject({ code: 0, stderr: "" });
}

async function readAll(sandbox: Sandbox, directories: readonly string[], files: readonly string[]): Promise<void> {
  for (const path of directories) {
    const { stdout } = await sandbox.exec("cat", [join(sandbox.home, path, "sub/data")]);
    expect(stdout).toBe(`kept ${path}`);
  }
  for (const path of files) {
    expect(lstatSync(join(sandbox.home, path)).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(sandbox.home, path), "utf8")).toBe(`kept ${path}`);
  }
}

describe.each(["root", "user"] as const)("as %s", (as) => {
  test("the wiki's 22 directories and 59 files come back after the home was thrown away", { timeout: 120_000 }, () =>
    withSandbox("main", { as }, async (sandbox) => {
      const { directories, files } = sandbox.writeWikiConfig();
      expect([directories.length, files.length]).toEqual([22, 59]);

      const first = await sandbox.run(["mount", "--config", sandbox.configFile]);
      expect(first, sandbox.log()).toMatchObject({ code: 0, stderr: "" });
      const mounts = sandbox.mounts();
      expect(mounts).toHaveLength(22);
      for (const mount of mounts) {
        expect(mount.source.startsWith(sandbox.storage)).toBe(true);
        expect(mount.options).toEqual(expect.arrayContaining(["rw", "nosuid", "nodev"]));
        expect(mount.superOptions).toContain("default_permissions");
      }
      for (const path of files) expect(readlinkSync(join(sandbox.home, path)).startsWith(sandbox.storage)).toBe(true);

      const status = await sandbox.status();
      expect(status.daemon?.pid).toBeGreaterThan(0);
      expect(status.server?.pid).toBeGreaterThan(0);
      expect(status.entries).toHaveLength(81);
      expect(status.entries.filter((entry) => !entry.healthy)).toEqual([]);
      expect(status.entries.every((entry) => HEALTHY.has(entry.state))).toBe(true);

      await writeAll(sandbox, directories, files);
      const unmounted = await sandbox.run(["unmount"]);
      expect(unmounted).toMatchObject({ code: 0, stdout: "22 unmounted\n" });
      expect(sandbox.mounts()).toEqual([]);
      sandbox.throwHomeAway();
      sandbox.newHome();
      expect(existsSync(join(sandbox.home, ".mozilla"))).toBe(false);

      expect(await sandbox.run(["mount", "--config", sandbox.configFile])).toMatchObject({ code: 0 });
      await readAll(sandbox, directories, files);
      expect(existsSync(join(sandbox.home, "not-listed"))).toBe(false);
      expect(await sandbox.run(["apply"])).toMatchObject({ code: 0 });
    }),
  );

  test("a killed server is replaced, and what was open before goes on", () =>
    withSandbox("kill-server", { as }, async (sandbox) => {
      sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data"] } } });
      expect(await sandbox.run(["mount", "--config", sandbox.configFile])).toMatchObject({ code: 0 });
      await sandbox.exec("sh", ["-c", `echo one > "$HOME/data/file"`]);
      const before = await sandbox.status();
      process.kill(before.server?.pid ?? 0, "SIGKILL");
      const after = await sandbox.statusUntil(
        "a new server",
        (report) => report.server !== null && report.server.pid !== before.server?.pid,
      );
      expect(after.server?.restarts).toBe(1);
      expect(await sandbox.run(["apply"])).toMatchObject({ code: 0 });
      expect(await sandbox.exec("cat", [join(sandbox.home, "data/file")])).toMatchObject({ code: 0, stdout: "one\n" });
    }));
});
