// Looking at what hangs: a disk that answers nobody (a bindfs that gets SIGSTOP), and a mount of ours whose server is dead, must not keep
// the daemon or a command from what does answer.
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { deadline } from "../helpers/deadline.ts";
import { startMount, type Mounted } from "../helpers/mounted.ts";
import { Sandbox, type Ran } from "../helpers/sandbox.ts";

let sandbox: Sandbox | undefined;
let below: Mounted | undefined;

afterEach(async () => {
  below?.signal("SIGCONT");
  await sandbox?.dispose();
  await below?.dispose();
  sandbox = below = undefined;
});

/** Storages on one disk that will hang, more than libuv has threads, and a healthy one with the directory `fast`. */
async function prepare(): Promise<{ sandbox: Sandbox; hung: readonly string[]; ends: (...args: string[]) => Promise<Ran> }> {
  const made = new Sandbox("stalled-look");
  sandbox = made;
  const real = join(made.base, "real");
  const names = ["1", "2", "3", "4", "5", "6"];
  for (const name of names) mkdirSync(join(real, name, `slow-${name}`), { recursive: true });
  mkdirSync(join(made.storage, "fast"));
  below = await startMount({ engine: "bindfs", source: real });
  const hung = names.map((name) => join(below?.mountpoint ?? "", name));
  const slow = hung.map((storage, index) => [storage, { directories: [`slow-${names[index]}`] }] as const);
  made.writeConfig({ home: made.home, persistence: { ...Object.fromEntries(slow), [made.storage]: { directories: ["fast"] } } });
  const ends = (...args: string[]): Promise<Ran> => deadline(args.join(" "), 25_000, made.run(args), () => made.log());
  return { sandbox: made, hung, ends };
}

test("what answers is mounted, and every command ends", { timeout: 180_000 }, async () => {
  const { sandbox: made, ends } = await prepare();
  const config = ["--config", made.configFile];
  below?.signal("SIGSTOP");
  const plan = await ends("plan", ...config);
  expect(plan.stdout).toMatch(/fast/);
  expect(plan.code).toBe(3);
  const mounted = await ends("mount", ...config);
  expect(mounted.code).toBe(3);
  expect(made.mounts().map(({ mountpoint }) => mountpoint)).toEqual([join(made.home, "fast")]);
  // Each asks for a look at every storage.
  const answers = await Promise.all(Array.from({ length: 6 }, () => ends("status", "--json")));
  for (const { code, stdout } of answers) expect([code, stdout.length > 100]).toEqual([expect.any(Number), true]);
  const applied = await ends("apply");
  expect(applied.stdout).not.toMatch(/fast.*ETIMEDOUT/);
  const doctor = await ends("doctor", ...config);
  expect(doctor.stdout.match(/does not answer/g)?.length).toBeGreaterThanOrEqual(6);
  expect(await ends("orphans", ...config)).toMatchObject({ code: 7, stdout: expect.stringMatching(/does not answer/) });

  // What was refused because it did not answer is mounted when it does; nobody has to ask.
  below?.signal("SIGCONT");
  await made.statusUntil("all to be mounted", ({ entries, refusals }) => refusals.length === 0 && entries.every(({ healthy }) => healthy));
  expect(made.mounts()).toHaveLength(7);
  expect((await ends("apply")).code).toBe(0);
});

test("a configuration on a disk that hangs stops neither the daemon nor a command", { timeout: 120_000 }, async () => {
  const { sandbox: made, hung, ends } = await prepare();
  const config = join(hung[0] ?? "", "config.json");
  copyFileSync(made.configFile, config);
  expect((await ends("mount", "--config", config)).code).toBe(0);
  below?.signal("SIGSTOP");
  expect(await ends("apply")).toMatchObject({ code: 4, stderr: expect.stringMatching(/config\.json does not answer/) });
  expect((await ends("status", "--json")).stdout).toMatch(/"daemon"/);
  expect((await ends("config", "check", config)).code).toBe(4);
  below?.signal("SIGCONT");
  // What waited for the disk has to come back first.
  let again = await ends("apply");
  for (const end = performance.now() + 20_000; again.code !== 0 && performance.now() < end;) again = await ends("apply");
  expect(again).toMatchObject({ code: 0 });
});

test("a configuration below a mount of ours is read although its server died a moment ago", { timeout: 120_000 }, async () => {
  sandbox = new Sandbox("own-config");
  const { home, storage } = sandbox;
  const text = JSON.stringify({ home, persistence: { [storage]: { directories: [".config"] } } });
  mkdirSync(join(storage, ".config"));
  writeFileSync(join(storage, ".config/persist.json"), text);
  sandbox.writeConfig(text);
  expect((await sandbox.run(["mount", "--config", sandbox.configFile])).code).toBe(0);
  const own = join(home, ".config/persist.json");
  expect((await sandbox.run(["apply", "--config", own])).code).toBe(0);
  for (let round = 0; round < 5; round += 1) {
    const { daemon, server } = await sandbox.statusUntil("a server", (report) => report.server !== null);
    process.kill(server?.pid ?? 0, "SIGKILL");
    process.kill(daemon?.pid ?? 0, "SIGHUP");
    const next = await sandbox.statusUntil("the next server", (report) => report.server !== null && report.server.pid !== server?.pid);
    expect(next.daemon?.pid).toBe(daemon?.pid);
    expect((await sandbox.exec("cat", [own])).stdout).toBe(text);
  }
});
