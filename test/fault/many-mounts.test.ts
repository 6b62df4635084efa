// A server dies that serves many mounts: its successor is given all of them, those included that are just being made, and what comes of it
// happens once and not for each.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { mountAll } from "../helpers/faults.ts";
import { withHungStorage } from "../helpers/hung-storage.ts";
import { withSandbox } from "../helpers/sandbox.ts";

const TAKE_OVER_MS = 60_000;

test("more mounts than fit into the server's socket are taken over", { timeout: 180_000 }, () =>
  withSandbox("many", {}, async (sandbox) => {
    const deep = Array.from({ length: 4 }, () => "d".repeat(240)).join("/");
    const directories = Array.from({ length: 120 }, (_, n) => `${n}/${deep}`);
    await mountAll(sandbox, "kernel", { [sandbox.storage]: { directories } });
    const { daemon, server } = await sandbox.status();
    process.kill(server?.pid ?? 0, "SIGKILL");
    const served = sandbox.statusUntil(
      "all to be served",
      ({ entries }) => entries.every(({ stats }) => stats !== undefined),
      TAKE_OVER_MS,
    );
    await deadline("the takeover", 2 * TAKE_OVER_MS, served, () => kernelStacks(daemon?.pid ?? 0));
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0, stdout: "120 unmounted\n" });
  }),
);

test("mounts that are being made as the server dies are served by its successor", { timeout: 180_000 }, () =>
  withSandbox("making", {}, async (sandbox) => {
    const directories = Array.from({ length: 40 }, (_, n) => `d${n}`);
    await mountAll(sandbox, "kernel", { [sandbox.storage]: { directories: directories.slice(0, 4) } });
    const { server } = await sandbox.status();
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories } } });
    const applied = sandbox.run(["apply"]);
    await until("some mounts", TAKE_OVER_MS, () => sandbox.mounts().length > 10);
    process.kill(server?.pid ?? 0, "SIGKILL");
    expect(await applied, sandbox.log()).toMatchObject({ code: 0 });
    const write = await sandbox.exec("sh", [
      "-c",
      'cd "$HOME" && for name; do echo text > "$name/file" || exit; done',
      "sh",
      ...directories,
    ]);
    expect(write).toMatchObject({ code: 0 });
    for (const name of directories) expect(readFileSync(join(sandbox.storage, name, "file"), "utf8")).toBe("text\n");
  }),
);

test("mounts whose storage answers again are looked after together", { timeout: 180_000 }, () =>
  withSandbox("together", {}, async (sandbox) => {
    const real = join(sandbox.base, "real");
    const directories = Array.from({ length: 30 }, (_, n) => `d${n}`);
    for (const name of directories) mkdirSync(join(real, name), { recursive: true });
    await withHungStorage(real, async (storage) => {
      await mountAll(sandbox, "kernel", { [storage.path]: { directories } });
      // Refused, and logged, whenever the daemon plans.
      writeFileSync(join(sandbox.storage, "file"), "stored");
      writeFileSync(join(sandbox.home, "file"), "in the way");
      sandbox.writeConfig({
        home: sandbox.home,
        persistence: { [storage.path]: { directories }, [sandbox.storage]: { files: ["file"] } },
      });
      expect(await sandbox.run(["apply"])).toMatchObject({ code: 3 });
      const plans = (): number => sandbox.log().split('"msg":"refused"').length;
      storage.hang();
      process.kill((await sandbox.status()).server?.pid ?? 0, "SIGKILL");
      await sandbox.statusUntil("all to be stuck", ({ entries }) => entries.filter(({ state }) => state === "stuck").length === 30);
      const before = plans();
      storage.answer();
      await sandbox.statusUntil("all to be served", ({ entries }) => entries.filter(({ state }) => state === "mounted").length === 30);
      // It comes after whatever was begun before.
      await sandbox.run(["apply"]);
      expect(plans() - before).toBeLessThan(10);
      expect(readFileSync(join(sandbox.home, "file"), "utf8")).toBe("in the way");
    });
  }),
);
