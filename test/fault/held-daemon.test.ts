// The end of a daemon, when it is told twice and when a storage holds a thread of it in a call that cannot be killed.
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { mountAll, mountData } from "../helpers/faults.ts";
import { withHungStorage } from "../helpers/hung-storage.ts";
import { withSandbox } from "../helpers/sandbox.ts";

const END_MS = 30_000;

test("a second signal does not cut short what the first one began", { timeout: 60_000 }, () =>
  withSandbox("twice", {}, async (sandbox) => {
    mkdirSync(join(sandbox.storage, "data"));
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data"] } } });
    const daemon = sandbox.daemon();
    await sandbox.statusUntil("the mount", ({ entries }) => entries.length === 1 && entries[0]?.state === "mounted");
    daemon.kill("SIGTERM");
    daemon.kill("SIGINT");
    expect(await deadline("the end of the daemon", END_MS, once(daemon, "exit"), () => kernelStacks(daemon.pid ?? 0))).toEqual([0, null]);
    expect(sandbox.mounts()).toEqual([]);
  }),
);

test("a daemon that is told to end waits for no mount that is not served yet", { timeout: 120_000 }, () =>
  withSandbox("hurried", {}, async (sandbox) => {
    const names = ["first", "later", "last"];
    for (const name of names) mkdirSync(join(sandbox.storage, name));
    const list = (directories: readonly string[]): string =>
      sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories } } });
    list(["first"]);
    const daemon = sandbox.daemon();
    const { server } = await sandbox.statusUntil("the mount", ({ entries }) => entries[0]?.state === "mounted");
    // As one whose storage hangs.
    process.kill(server?.pid ?? 0, "SIGSTOP");
    list(names);
    const applied = sandbox.run(["apply"]);
    await until(
      "another mount",
      END_MS,
      () => sandbox.mounts().length > 1,
      () => sandbox.log(),
    );
    const begun = performance.now();
    daemon.kill("SIGTERM");
    expect(await deadline("the end of the daemon", END_MS, once(daemon, "exit"), () => kernelStacks(daemon.pid ?? 0))).toEqual([0, null]);
    // Serving one alone is waited for 15 s.
    expect(performance.now() - begun).toBeLessThan(12_000);
    expect(sandbox.mounts()).toEqual([]);
    await applied;
  }),
);

test("a server that serves nothing ends with its daemon", { timeout: 60_000 }, () =>
  withSandbox("nothing", {}, async (sandbox) => {
    mkdirSync(join(sandbox.home, "data/in-the-way"), { recursive: true });
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data"] } } });
    expect(await sandbox.run(["mount", "--config", sandbox.configFile])).toMatchObject({ code: 3 });
    const { daemon, server } = await sandbox.statusUntil("a server", (report) => report.server !== null);
    // It was started to be ready for mounts, and its threads wait for them.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    process.kill(daemon?.pid ?? 0, "SIGKILL");
    await until(
      "the end of the server",
      END_MS,
      () => !existsSync(`/proc/${server?.pid}`),
      () => kernelStacks(server?.pid ?? 0),
    );
  }),
);

test("a daemon that waits for looks at storages that hang is no hindrance to the next one", { timeout: 120_000 }, () =>
  withSandbox("held-looks", {}, async (sandbox) => {
    const real = join(sandbox.base, "real");
    // As many as node has threads for looks.
    const names = ["a", "b", "c", "d"];
    for (const name of names) mkdirSync(join(real, name, "data"), { recursive: true });
    await withHungStorage(real, async (storage) => {
      const persistence = Object.fromEntries(names.map((name) => [join(storage.path, name), { directories: [`data-${name}`] }]));
      sandbox.writeConfig({ home: sandbox.home, persistence });
      storage.hang();
      expect((await sandbox.run(["mount", "--config", sandbox.configFile])).code).not.toBe(0);
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
      await mountData(sandbox, sandbox.storage, { engine: "kernel", cache: "shared" });
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    });
  }),
);

test(
  "unmount says that the daemon has not ended, as long as a link is being mended on a storage that hangs, and the daemon gives up",
  { timeout: 120_000 },
  () =>
    withSandbox("held-link", {}, async (sandbox) => {
      const real = join(sandbox.base, "real");
      mkdirSync(real);
      await withHungStorage(real, async (storage) => {
        await mountAll(sandbox, "kernel", { [storage.path]: { files: ["settings"] } });
        const settings = join(sandbox.home, "settings");
        const pid = (await sandbox.status()).daemon?.pid ?? 0;
        writeFileSync(settings, "old");
        storage.hang();
        rmSync(settings);
        writeFileSync(settings, "new");
        await until("the daemon to be held", END_MS, storage.holds, () => kernelStacks(pid));
        const ran = await sandbox.run(["unmount"]);
        expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 7 });
        expect(ran.stderr).toContain(`the daemon (pid ${pid}) has not ended yet`);
        // It gives the storage up after a while; what was not mended is mended by the next one.
        expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
        storage.answer();
        await until(
          "the end of the daemon",
          END_MS,
          () => !sandbox.pids().includes(pid),
          () => kernelStacks(pid),
        );
        expect(await sandbox.run(["mount", "--config", sandbox.configFile])).toMatchObject({ code: 0 });
        expect(readFileSync(settings, "utf8")).toBe("new");
        expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
      });
    }),
);
