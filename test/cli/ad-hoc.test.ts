// `mount` without a configuration file, and what stands between a mount and its end.
import { existsSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../helpers/deadline.ts";
import { withSandbox } from "../helpers/sandbox.ts";

test("--storage with --directory and --file does the same as a file", () =>
  withSandbox("ad-hoc", {}, async (sandbox) => {
    const args = [
      "mount",
      "--storage",
      sandbox.storage,
      "--directory",
      "Firefox/.mozilla",
      "--file",
      "Shell/.history",
      "--remove-prefix-directory",
    ];
    expect(await sandbox.run(args)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^config {2}given on its command line$/m) });
    expect(sandbox.mounts()).toMatchObject([
      { mountpoint: join(sandbox.home, ".mozilla"), source: join(sandbox.storage, "Firefox/.mozilla") },
    ]);
    expect(readlinkSync(join(sandbox.home, ".history"))).toBe(join(sandbox.storage, "Shell/.history"));
  }));

test("a busy mount stays, its holder is named, exit code 6; --lazy detaches it", () =>
  withSandbox("busy", {}, async (sandbox) => {
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data", "idle"] } } });
    expect(await sandbox.run(["mount", "--config", sandbox.configFile])).toMatchObject({ code: 0 });
    const holder = sandbox.spawn("sh", ["-c", 'cd "$HOME/data" && echo in && sleep 1000']);
    await new Promise((resolve) => holder.stdout?.once("data", resolve));
    const busy = await sandbox.run(["unmount"]);
    expect(busy).toMatchObject({ code: 6 });
    expect(busy.stderr).toMatch(new RegExp(`data: busy: held by .*pid ${holder.pid}`));
    expect(sandbox.mounts().map((mount) => mount.mountpoint)).toEqual([join(sandbox.home, "data")]);
    expect(await sandbox.run(["unmount", "--lazy"])).toMatchObject({ code: 0 });
    expect(sandbox.mounts()).toEqual([]);
  }));

test("unmount says which targets are no mounts of hmpersist, exit code 2; the others are unmounted", () =>
  withSandbox("strange", {}, async (sandbox) => {
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data", "other"] } } });
    expect(await sandbox.run(["mount", "--config", sandbox.configFile])).toMatchObject({ code: 0 });
    const [typo = "", data = "", other = ""] = ["dtaa", "data", "other"].map((name) => join(sandbox.home, name));
    const ran = await sandbox.run(["unmount", typo, data]);
    expect(ran).toEqual({ code: 2, stdout: "1 unmounted\n", stderr: `${typo}: no mount of hmpersist; 'hmpersist status' lists them\n` });
    expect(sandbox.mounts().map(({ mountpoint }) => mountpoint)).toEqual([other]);
    expect((await sandbox.run(["status"])).stdout).toMatch(
      /~\/data\/ +missing.*\n +unmounted on request; 'hmpersist apply' mounts it again/,
    );
    const json = await sandbox.run(["unmount", "--json", typo]);
    expect([json.code, JSON.parse(json.stdout)]).toEqual([2, { unmounted: [], busy: {}, strange: [typo] }]);
  }));

test("an entry that leaves the configuration is unmounted or unlinked by apply; the others keep their open files", () =>
  withSandbox("drop", {}, async (sandbox) => {
    const config = (directories: string[], files: string[]) =>
      sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories, files } } });
    config(["keep", "drop"], ["a", "b"]);
    expect(await sandbox.run(["mount", "--config", sandbox.configFile])).toMatchObject({ code: 0 });
    const writer = sandbox.spawn("sh", ["-c", 'exec 3>"$HOME/keep/log"; while echo line >&3; do echo ok; sleep 0.05; done; echo failed']);
    await new Promise((resolve) => writer.stdout?.once("data", resolve));
    config(["keep", "new"], ["a"]);
    expect(await sandbox.run(["apply"])).toMatchObject({ code: 0 });
    expect(
      sandbox
        .mounts()
        .map((mount) => mount.mountpoint)
        .sort(),
    ).toEqual([join(sandbox.home, "keep"), join(sandbox.home, "new")]);
    expect(existsSync(join(sandbox.home, "b"))).toBe(false);
    const said: string = await new Promise((resolve) => writer.stdout?.once("data", (chunk: Buffer) => resolve(chunk.toString())));
    expect(said).toMatch(/^(ok\n)+$/);
  }));

test("SIGTERM unmounts everything and ends with exit code 0; SIGHUP reconciles", () =>
  withSandbox("signals", {}, async (sandbox) => {
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["one"] } } });
    const daemon = sandbox.daemon();
    const ended = new Promise((resolve) => daemon.on("exit", resolve));
    await sandbox.statusUntil("one mount", (report) => report.entries.some((entry) => entry.state === "mounted"));
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["one", "two"] } } });
    daemon.kill("SIGHUP");
    await until("two mounts", 20_000, () => sandbox.mounts().length === 2);
    daemon.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(sandbox.mounts()).toEqual([]);
  }));
