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
    listing(sandbox, "b.json", ["a", "d"]);
    const { daemon } = await sandbox.status();
    process.kill(daemon?.pid ?? 0, "SIGHUP");
    await until("the file last taken", 20_000, () => mounted(sandbox).includes("d"));
    expect(mounted(sandbox)).toEqual(["a", "d"]);
    expect((await sandbox.status()).configFile).toBe(second);
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
