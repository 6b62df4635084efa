// A storage that does not answer, or takes long, holds up its own links only, and what waits for it is done when it goes on.
import { lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../helpers/deadline.ts";
import { startMount, type Mounted } from "../helpers/mounted.ts";
import { withSandbox } from "../helpers/sandbox.ts";
import { makeGrounds } from "./place.ts";

let slow: Mounted;
let real: string;
let remove: () => void;
beforeEach(async () => {
  const grounds = makeGrounds("slow");
  ({ storage: real, remove } = grounds);
  slow = await startMount({ engine: "bindfs", source: real });
});
afterEach(async () => {
  slow.signal("SIGCONT");
  await slow.dispose();
  remove();
});

function replace(target: string, content: string): void {
  writeFileSync(`${target}.t`, content);
  renameSync(`${target}.t`, target);
}

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
    await sandbox.statusUntil("all being well", ({ entries }) => entries.every(({ healthy }) => healthy));
    expect(readFileSync(join(real, "a"), "utf8")).toBe("saved");
    expect(isLink(join(sandbox.home, "a"))).toBe(true);
  }),
);
