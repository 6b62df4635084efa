// A storage that does not answer, or takes long, holds up its own links only, and what waits for it is done when it goes on.
import { once } from "node:events";
import { lstatSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { LinkSpec } from "../../src/plan/types.ts";
import { deadline, until } from "../helpers/deadline.ts";
import { startMount, type Mounted } from "../helpers/mounted.ts";
import { withSandbox } from "../helpers/sandbox.ts";
import { KeeperProcess } from "./keeper-process.ts";
import { makeGrounds, replace, type Grounds } from "./place.ts";

let slow: Mounted;
let grounds: Grounds;
let keeper: KeeperProcess | undefined;
beforeEach(async () => {
  grounds = makeGrounds("slow");
  slow = await startMount({ engine: "bindfs", source: grounds.storage });
});
afterEach(async () => {
  slow.signal("SIGCONT");
  await keeper?.end("SIGKILL");
  keeper = undefined;
  await slow.dispose();
  grounds.remove();
});

const onSlow = (name: string): LinkSpec => grounds.spec(name, { storage: slow.mountpoint, source: join(slow.mountpoint, name) });

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const isLink = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;

test("mounts of other storages do not wait for remembered links in one that hangs", { timeout: 120_000 }, () =>
  withSandbox("slow", {}, async (sandbox) => {
    mkdirSync(join(sandbox.storage, "data"));
    sandbox.writeConfig({
      home: sandbox.home,
      persistence: { [slow.mountpoint]: { files: ["a", "b", "c", "d", "e"] }, [sandbox.storage]: { directories: ["data"] } },
    });
    const run = async (...args: string[]): Promise<void> => expect(await sandbox.run(args)).toMatchObject({ code: 0 });
    await run("mount", "--config", sandbox.configFile);
    await run("unmount");
    await until("the daemon ending", 20_000, () => sandbox.pids().length === 0);
    replace(join(sandbox.home, "a"), "saved");
    slow.signal("SIGSTOP");
    const started = performance.now();
    sandbox.daemon();
    await until(
      "the mount",
      15_000,
      () => sandbox.mounts().length === 1,
      () => sandbox.log(),
    );
    const report = await sandbox.statusUntil("the links waiting", ({ entries }) =>
      entries.every(({ type, state }) => state === (type === "file" ? "pending" : "mounted")),
    );
    expect(performance.now() - started).toBeLessThan(15_000);
    expect(report.entries.find(({ type }) => type === "file")?.detail).toContain(`${slow.mountpoint} takes long`);
    slow.signal("SIGCONT");
    await sandbox.statusUntil("all being well", ({ entries }) => entries.length > 0 && entries.every(({ healthy }) => healthy));
    expect(readFileSync(join(grounds.storage, "a"), "utf8")).toBe("saved");
    expect(isLink(join(sandbox.home, "a"))).toBe(true);
  }),
);

test("a healing that takes long goes on, is counted, and holds up no look at the storage", { timeout: 120_000 }, async () => {
  const [big, small, dangling] = [onSlow("big"), onSlow("small"), onSlow("dangling")];
  keeper = new KeeperProcess(grounds, [big, small, dangling]);
  await keeper.heard("ready");
  slow.signal("SIGSTOP");
  replace(big.target, "big");
  await sleep(1_000);
  replace(small.target, "small");
  // Longer than anybody would wait for it.
  await sleep(32_000);
  const waiting = await keeper.status();
  for (const { target } of [big, small]) {
    expect(waiting).toContainEqual(expect.objectContaining({ target, state: "healing", reason: expect.stringContaining("takes long") }));
  }
  slow.signal("SIGCONT");
  for (const { target } of [big, small]) await keeper.heard("link healed", target);
  expect(keeper.said.filter(({ message }) => message === "link not healed")).toEqual([]);
  const healed = await keeper.status();
  for (const { target } of [big, small]) expect(healed).toContainEqual(expect.objectContaining({ target, state: "ok", healed: 1 }));
});

test("an entry that goes while its storage hangs is healed before the daemon ends", { timeout: 120_000 }, () =>
  withSandbox("slow", {}, async (sandbox) => {
    const configure = (files: readonly string[]): string =>
      sandbox.writeConfig({ home: sandbox.home, persistence: { [slow.mountpoint]: { files }, [sandbox.storage]: { files: ["other"] } } });
    configure(["dropped"]);
    const daemon = sandbox.daemon();
    await sandbox.statusUntil("both links", ({ entries }) => entries.length === 2 && entries.every(({ healthy }) => healthy));
    slow.signal("SIGSTOP");
    replace(join(sandbox.home, "dropped"), "saved");
    configure([]);
    daemon.kill("SIGHUP");
    // The plan after it is made when nobody waits for the link any more.
    const { code } = await sandbox.run(["apply"]);
    expect(code).toBe(0);
    expect((await sandbox.status()).entries).toHaveLength(1);
    const ended = once(daemon, "exit");
    daemon.kill("SIGTERM");
    await sleep(4_000);
    expect(daemon.exitCode).toBeNull();
    slow.signal("SIGCONT");
    await deadline("the daemon ending", 20_000, ended);
    expect(readFileSync(join(grounds.storage, "dropped"), "utf8")).toBe("saved");
  }),
);

test("a storage that never answers does not keep the keeper from ending", { timeout: 120_000 }, async () => {
  const specs = [onSlow("hung"), grounds.spec("other")];
  keeper = new KeeperProcess(grounds, specs);
  await keeper.heard("ready");
  slow.signal("SIGSTOP");
  for (const { target } of specs) replace(target, "saved");
  await sleep(2_000);
  await keeper.end("SIGTERM", 28_000);
  expect(readFileSync(join(grounds.storage, "other"), "utf8")).toBe("saved");
  expect(readFileSync(join(grounds.home, "hung"), "utf8")).toBe("saved");
});
