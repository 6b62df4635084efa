// A configuration that changes under a running daemon, with one mount inside of another: what goes is unmounted before what it lies in,
// what comes is mounted after it, and the end of the old mount is not taken for the end of the new one at its place.
import { once } from "node:events";
import { existsSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../helpers/deadline.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

async function follow(sandbox: Sandbox, persistence: object, command: "mount" | "apply" = "apply"): Promise<string[]> {
  const file = sandbox.writeConfig({ home: sandbox.home, persistence });
  const planned = await sandbox.run(["plan", "--json", "--config", file]);
  const ran = await sandbox.run([command, "--config", file]);
  expect(`${ran.code} ${ran.stderr}`).toBe("0 ");
  expect(
    sandbox
      .mounts()
      .map(({ mountpoint }) => mountpoint.slice(sandbox.home.length + 1))
      .sort(),
  ).toEqual(await listed(sandbox));
  const { actions } = JSON.parse(planned.stdout) as { actions: { type: string }[] };
  return actions.map(({ type }) => type).filter((type) => type.endsWith("mount"));
}

/** Every entry is fine; those that are mounts. */
async function listed(sandbox: Sandbox): Promise<string[]> {
  const { entries } = await sandbox.status();
  expect(entries.filter(({ healthy }) => !healthy)).toEqual([]);
  return entries
    .filter(({ state }) => state === "mounted")
    .map(({ target }) => target.slice(sandbox.home.length + 1))
    .sort();
}

test("mounts inside of mounts come, change and go in order, again and again", () =>
  withSandbox("remount", {}, async (sandbox) => {
    const outer = join(sandbox.storage, "outer");
    const inner = join(sandbox.storage, "inner");
    for (const path of [outer, inner]) sandbox.ownDirectory(path);
    const both = (cache: string): object => ({
      [inner]: { directories: [".config/Code/Cache"] },
      [outer]: { cache, directories: [".config"] },
    });
    expect(await follow(sandbox, both("shared"), "mount")).toEqual(["mount", "mount"]);
    await sandbox.exec("sh", ["-c", `echo x > ${sandbox.home}/.config/Code/Cache/x; echo y > ${sandbox.home}/.config/y`]);
    expect(existsSync(join(inner, ".config/Code/Cache/x"))).toBe(true);
    for (const cache of ["exclusive", "shared"]) {
      expect(await follow(sandbox, both(cache))).toEqual(["unmount", "unmount", "mount", "mount"]);
    }
    expect(await follow(sandbox, both("shared"))).toEqual([]);
    expect(await follow(sandbox, { [outer]: { directories: [".config"] } })).toEqual(["unmount"]);
    expect(await follow(sandbox, both("shared"))).toEqual(["mount"]);
    // From a directory to a file in it: the plan needs a second look, which apply takes by itself.
    expect(await follow(sandbox, { [outer]: { files: [".config/y"] } })).toEqual(["unmount", "unmount"]);
    expect(lstatSync(join(sandbox.home, ".config/y")).isSymbolicLink()).toBe(true);
    expect((await sandbox.exec("cat", [join(sandbox.home, ".config/y")])).stdout).toBe("y\n");
  }));

test("mounts inside of mounts that lost daemon and server at once are mounted anew, or taken away", () =>
  withSandbox("dead-nested", {}, async (sandbox) => {
    const [outer, inner] = [join(sandbox.storage, "outer"), join(sandbox.storage, "inner")];
    for (const path of [outer, inner]) sandbox.ownDirectory(path);
    const persistence = { [inner]: { directories: [".config/Code/Cache"] }, [outer]: { directories: [".config"] } };
    const file = sandbox.writeConfig({ home: sandbox.home, persistence });
    const kill = async (): Promise<void> => {
      const pids = sandbox.pids();
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      for (const pid of pids) process.kill(pid, "SIGKILL");
      await until("their end", 10_000, () => sandbox.pids().length === 0);
      // So long the kernel takes the name of the inner mountpoint for true.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
    };
    expect(await sandbox.run(["mount", "--config", file])).toMatchObject({ code: 0 });
    await kill();
    expect(await sandbox.run(["mount", "--config", file])).toMatchObject({ code: 0 });
    expect(await listed(sandbox)).toEqual([".config", ".config/Code/Cache"]);
    await kill();
    expect(await sandbox.run(["unmount", "--lazy"])).toMatchObject({ code: 0, stdout: "2 unmounted\n", stderr: "" });
    expect(sandbox.mounts()).toEqual([]);
  }));

test("a busy mount that is no longer listed is shown with what holds it, until it is gone", () =>
  withSandbox("unlisted", {}, async (sandbox) => {
    const configure = (directories: string[]): string =>
      sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories } } });
    expect(await sandbox.run(["mount", "--config", configure(["a", "b"])])).toMatchObject({ code: 0 });
    const holder = sandbox.spawn("sh", ["-c", 'cd "$HOME/b" && echo in && exec sleep 1000']);
    await once(holder.stdout ?? holder, "data");
    configure(["a"]);
    const applied = await sandbox.run(["apply"]);
    expect(applied.code).toBe(7);
    const reason = new RegExp(`no longer listed; .*/b is busy: held by sleep \\(pid ${holder.pid}: .*; once it is free: hmpersist apply`);
    expect(applied.stdout).toMatch(reason);
    const status = await sandbox.run(["status"]);
    expect(status.code).toBe(7);
    expect(status.stdout).toMatch(reason);
    expect(await sandbox.run(["plan"])).toMatchObject({ stdout: `unmount ${join(sandbox.home, "b")} (no longer listed)\n` });
    configure(["a", "b"]);
    expect(await sandbox.run(["plan"])).toMatchObject({ stdout: "" });
    configure(["a"]);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    expect(await sandbox.run(["apply"])).toMatchObject({ code: 0 });
    expect(await listed(sandbox)).toEqual(["a"]);
  }));

test("mounts of the home that was configured before are shown with the line that takes them away", () =>
  withSandbox("other-home", {}, async (sandbox) => {
    const configure = (home: string): string => sandbox.writeConfig({ home, persistence: { [sandbox.storage]: { directories: ["a"] } } });
    expect(await sandbox.run(["mount", "--config", configure(sandbox.home)])).toMatchObject({ code: 0 });
    mkdirSync(join(sandbox.base, "other"));
    configure(join(sandbox.base, "other"));
    expect((await sandbox.run(["apply"])).stdout).toMatch(/2 entries: 1 mounted, 1 unlisted/);
    const left = (await sandbox.status()).entries.find(({ state }) => state === "unlisted");
    expect(left?.detail).toBe(`no longer listed; 'hmpersist unmount ${join(sandbox.home, "a")}' takes it away`);
    expect(await sandbox.run(["unmount", join(sandbox.home, "a")])).toMatchObject({ code: 0, stdout: "1 unmounted\n" });
    expect(sandbox.mounts()).toEqual([]);
    expect(await listed(sandbox)).toHaveLength(1);
  }));
