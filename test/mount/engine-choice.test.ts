// The fallback engine under the whole program, as an ordinary user: mounted, served, killed, repaired, unmounted.
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { probeFuseNative } from "../../src/fuse-native/probe.ts";
import { withSandbox } from "../helpers/sandbox.ts";

const probe = await probeFuseNative();
if (!probe.available) process.stdout.write(`test/mount/engine-choice: skipped: ${probe.reason}\n`);

test.skipIf(!probe.available)("with the engine fuse-native an ordinary user has the wiki's home, and has it back after a crash", () =>
  withSandbox("native", { as: "user" }, async (sandbox) => {
    execFileSync("chmod", ["0666", "/dev/fuse"]);
    sandbox.writeWikiConfig();
    const file = sandbox.configFile;
    execFileSync("sed", ["-i", 's/^{/{"engine":"fuse-native",/', file]);
    const mounted = await sandbox.run(["mount", "--config", file]);
    expect(`${mounted.code} ${mounted.stderr}${mounted.stdout}`).toMatch(/^0 /);
    expect(sandbox.mounts()).toHaveLength(22);
    const directories = (await sandbox.status()).entries.filter(({ type }) => type === "directory");
    expect(directories.map(({ engine, state }) => `${engine} ${state}`)).toEqual(directories.map(() => "fuse-native mounted"));

    await sandbox.exec("sh", ["-c", `echo kept > ${sandbox.home}/.mozilla/prefs`]);
    const { server } = await sandbox.status();
    process.kill(server?.pid as number, "SIGKILL");
    const applied = await sandbox.run(["apply"]);
    expect(`${applied.code} ${applied.stderr}`).toBe("0 ");
    expect((await sandbox.exec("cat", [`${sandbox.home}/.mozilla/prefs`])).stdout).toBe("kept\n");
    expect((await sandbox.run(["unmount"])).code).toBe(0);
    expect(sandbox.mounts()).toEqual([]);
  }),
);
