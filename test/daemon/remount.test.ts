// A configuration that changes under a running daemon, with one mount inside of another: what goes is unmounted before what it lies in,
// what comes is mounted after it, and the end of the old mount is not taken for the end of the new one at its place.
import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
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
