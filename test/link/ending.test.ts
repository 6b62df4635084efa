// What a program saved just before the keeper ends, or before its entry goes, is in storage afterwards: the home may be gone a moment later.
import { spawn } from "node:child_process";
import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../helpers/deadline.ts";
import { startMount } from "../helpers/mounted.ts";
import { withSandbox } from "../helpers/sandbox.ts";
import { KeeperProcess } from "./keeper-process.ts";
import { makeGrounds, replace, type Grounds } from "./place.ts";

let grounds: Grounds;
let keeper: KeeperProcess | undefined;
beforeEach(() => {
  grounds = makeGrounds("ending");
});
afterEach(async () => {
  await keeper?.end();
  grounds.remove();
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("a healing that is due is done before the end", async () => {
  const specs = Array.from({ length: 5 }, (_, number) => grounds.spec(`f${number}`));
  for (const ms of [0, 10, 30]) {
    keeper = new KeeperProcess(grounds, specs);
    await keeper.heard("ready");
    for (const { target } of specs) replace(target, `saved ${ms} ms before`);
    await sleep(ms);
    await keeper.end();
    for (const { source } of specs) expect(readFileSync(source, "utf8")).toBe(`saved ${ms} ms before`);
  }
});

test("of a file that is still open for writing storage gets what there is", async () => {
  const spec = grounds.spec("open");
  keeper = new KeeperProcess(grounds, [spec]);
  await keeper.heard("ready");
  const writer = spawn("bash", ["-c", `exec 3> ${spec.target}.t; echo important >&3; mv ${spec.target}.t ${spec.target}; read -r`], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  try {
    await until("the file being replaced", 10_000, () => lstatSync(spec.target).isFile());
    await keeper.end();
    expect(readFileSync(spec.source, "utf8")).toBe("important\n");
  } finally {
    writer.kill("SIGKILL");
  }
});

test("the end waits for a storage that is slow, which holds up no other", async () => {
  const slow = await startMount({ engine: "bindfs", source: grounds.storage });
  try {
    const specs = [grounds.spec("slow", { storage: slow.mountpoint, source: join(slow.mountpoint, "slow") }), grounds.spec("fast")];
    keeper = new KeeperProcess(grounds, specs);
    await keeper.heard("ready");
    slow.signal("SIGSTOP");
    for (const { target } of specs) replace(target, "saved");
    const ended = keeper.end();
    await until("the other storage having it", 10_000, () => readStored("fast") === "saved");
    // Longer than anybody waits for a link that stands.
    await sleep(6_000);
    slow.signal("SIGCONT");
    await ended;
    expect(readStored("slow")).toBe("saved");
  } finally {
    slow.signal("SIGCONT");
    await keeper?.end("SIGKILL");
    await slow.dispose();
  }
});

const readStored = (name: string): string | undefined => {
  const path = join(grounds.storage, name);
  return lstatSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readFileSync(path, "utf8");
};

test("an entry that is taken out of the configuration is healed before its link goes", () =>
  withSandbox("ending", {}, async (sandbox) => {
    const configure = (files: readonly string[]): string =>
      sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { files } } });
    configure(["kept", "dropped"]);
    const daemon = sandbox.daemon();
    await sandbox.statusUntil("both links", ({ entries }) => entries.length === 2 && entries.every(({ healthy }) => healthy));
    configure(["kept"]);
    const target = join(sandbox.home, "dropped");
    replace(target, "saved");
    daemon.kill("SIGHUP");
    await until("the link going", 10_000, () => lstatSync(target, { throwIfNoEntry: false }) === undefined);
    expect(readFileSync(join(sandbox.storage, "dropped"), "utf8")).toBe("saved");
  }));
