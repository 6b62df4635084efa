// Which configuration is followed: the one last taken, from a file or from the command line, by the daemon and by every command that is
// given none.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../helpers/deadline.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

/** A file that lists these directories. */
function listing(sandbox: Sandbox, name: string, directories: readonly string[]): string {
  const file = join(sandbox.base, name);
  writeFileSync(file, JSON.stringify({ home: sandbox.home, persistence: { [sandbox.storage]: { directories } } }));
  return file;
}

const mounted = (sandbox: Sandbox): string[] =>
  sandbox
    .mounts()
    .map(({ mountpoint }) => mountpoint.slice(sandbox.home.length + 1))
    .sort();

test("apply --config replaces the file for apply and SIGHUP, but not if it is refused", () =>
  withSandbox("followed", {}, async (sandbox) => {
    const first = listing(sandbox, "a.json", ["a"]);
    const second = listing(sandbox, "b.json", ["a", "b"]);
    expect(await sandbox.run(["mount", "--config", first])).toMatchObject({ code: 0 });
    expect(await sandbox.run(["apply", "--config", second])).toMatchObject({ code: 0 });
    listing(sandbox, "b.json", ["a", "c"]);
    expect(await sandbox.run(["apply"])).toMatchObject({ code: 0 });
    expect(mounted(sandbox)).toEqual(["a", "c"]);
    const broken = join(sandbox.base, "broken.json");
    writeFileSync(broken, "{");
    expect(await sandbox.run(["apply", "--config", broken])).toMatchObject({ code: 2 });
    const refused = await sandbox.run(["status"]);
    expect(refused.stdout).toMatch(/the configuration was not taken: .*broken\.json/);
    expect(refused.code).toBe(7);
    listing(sandbox, "b.json", ["a", "d"]);
    const { daemon } = await sandbox.status();
    process.kill(daemon?.pid ?? 0, "SIGHUP");
    await until("the file last taken", 20_000, () => mounted(sandbox).includes("d"));
    expect(mounted(sandbox)).toEqual(["a", "d"]);
    expect((await sandbox.status()).configFile).toBe(second);
    expect(await sandbox.run(["status"])).toMatchObject({ code: 0 });
  }));

test("adopt moves what the file last applied lists, and mounts it", () =>
  withSandbox("followed-adopt", {}, async (sandbox) => {
    mkdirSync(join(sandbox.home, "new"));
    writeFileSync(join(sandbox.home, "new/x"), "hi");
    expect(await sandbox.run(["mount", "--config", listing(sandbox, "a.json", ["a"])])).toMatchObject({ code: 0 });
    expect(await sandbox.run(["apply", "--config", listing(sandbox, "b.json", ["a", "new"])])).toMatchObject({ code: 3 });
    const adopted = await sandbox.run(["adopt", join(sandbox.home, "new")]);
    expect(adopted, adopted.stderr).toMatchObject({ code: 0 });
    expect(mounted(sandbox)).toEqual(["a", "new"]);
    expect(readdirSync(join(sandbox.home, "new"))).toEqual(["x"]);
  }));

test("adopt moves nothing that the daemon's configuration does not list", () =>
  withSandbox("followed-other", {}, async (sandbox) => {
    mkdirSync(join(sandbox.home, "new"));
    writeFileSync(join(sandbox.home, "new/x"), "hi");
    expect(await sandbox.run(["mount", "--config", listing(sandbox, "a.json", ["a"])])).toMatchObject({ code: 0 });
    const adopted = await sandbox.run(["adopt", "--config", listing(sandbox, "b.json", ["a", "new"]), join(sandbox.home, "new")]);
    expect(adopted).toMatchObject({ code: 3, stdout: "" });
    expect(adopted.stderr).toMatch(/the daemon follows another configuration, which has no entry for .*new\n.*hmpersist apply --config/);
    expect(readdirSync(join(sandbox.home, "new"))).toEqual(["x"]);
    expect(readdirSync(sandbox.storage)).toEqual(["a"]);
  }));

test("a configuration from the command line, for another home, is the one that every command means", () =>
  withSandbox("followed-ad-hoc", {}, async (sandbox) => {
    const other = join(sandbox.base, "other");
    mkdirSync(join(other, "d"), { recursive: true });
    writeFileSync(join(other, "d/x"), "hi");
    writeFileSync(join(sandbox.storage, "nobodys"), "");
    const options = ["--home", "other", "--storage", "storage", "--directory", "d", "--file", "f"];
    expect(await sandbox.run(["mount", ...options])).toMatchObject({ code: 3 });
    const planned = await sandbox.run(["plan"]);
    expect(planned).toMatchObject({ code: 3 });
    expect(planned.stdout).toContain(`hmpersist adopt ${join(other, "d")}`);
    const lost = await sandbox.run(["ephemeral"]);
    expect(lost.stdout).toMatch(/~\/d\/[^]*configured, but not mounted now/);
    const adopted = await sandbox.run(["adopt", join(other, "d")]);
    expect(adopted, adopted.stderr).toMatchObject({ code: 0 });
    expect(await sandbox.run(["plan"])).toMatchObject({ code: 0, stdout: "" });
    const orphans = await sandbox.run(["orphans"]);
    expect(orphans.stdout).toContain("nobodys");
    expect(orphans.stdout).not.toMatch(/\bd\b/);
    const { stdout } = await sandbox.run(["doctor"]);
    expect(stdout).toMatch(/configuration +given on the command line of the daemon/);
  }));

test("a file for another home: --home is meant by every command", () =>
  withSandbox("followed-home", {}, async (sandbox) => {
    mkdirSync(join(sandbox.base, "other"));
    const mount = ["mount", "--home", "other", "--config", listing(sandbox, "a.json", ["a"])];
    expect(await sandbox.run(mount)).toMatchObject({ code: 0 });
    expect(await sandbox.run(["plan"])).toMatchObject({ code: 0, stdout: "" });
    const home = await sandbox.run(["plan", "--home", sandbox.home]);
    expect(home.stdout).toContain(`mount ${join(sandbox.storage, "a")} at ${join(sandbox.home, "a")}`);
  }));

test("a daemon that does not answer is said, and no other configuration is taken for its", () =>
  withSandbox("followed-silent", {}, async (sandbox) => {
    const file = listing(sandbox, "a.json", ["a"]);
    mkdirSync(join(sandbox.base, "etc/hmpersist"));
    listing(sandbox, "etc/hmpersist/config.json", ["other"]);
    expect(await sandbox.run(["mount", "--config", file])).toMatchObject({ code: 0 });
    const pid = (await sandbox.status()).daemon?.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    try {
      const a = join(sandbox.home, "a");
      for (const args of [["plan"], ["orphans"], ["ephemeral"], ["adopt", a], ["adopt", "--dry-run", a]]) {
        const ran = await sandbox.run(args);
        expect([args, ran.code, ran.stdout]).toEqual([args, 1, ""]);
        expect(ran.stderr).toContain(`the daemon (pid ${pid}) was stopped`);
        expect(ran.stderr).toContain(`kill -CONT ${pid}`);
      }
      expect(await sandbox.run(["plan", "--config", file])).toMatchObject({ code: 0, stdout: "" });
      const diagnosis = await sandbox.run(["doctor"]);
      expect(diagnosis.code).toBe(8);
      expect(diagnosis.stdout).toMatch(new RegExp(`daemon +pid ${pid} does not answer.*\n +fix: kill -CONT ${pid}`));
      expect(diagnosis.stdout).not.toContain("etc/hmpersist");
    } finally {
      process.kill(pid, "SIGCONT");
    }
  }));
