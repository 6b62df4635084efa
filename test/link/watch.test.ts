// The keeper's watching: no busy loop in a storm, and polling where inotify is exhausted.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../helpers/deadline.ts";
import { startMount } from "../helpers/mounted.ts";
import { KeeperProcess } from "./keeper-process.ts";
import { makeGrounds, replace, type Grounds } from "./place.ts";

let grounds: Grounds;
let keeper: KeeperProcess | undefined;
beforeEach(() => {
  grounds = makeGrounds("watch");
});
afterEach(async () => {
  await keeper?.end();
  grounds.remove();
});

const isLink = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;

test("watches are one per directory, however many links and other files there are", async () => {
  const specs = Array.from({ length: 40 }, (_, number) => grounds.spec(`a/b/f${number}`));
  execFileSync("bash", ["-c", `mkdir -p ${grounds.home}/a/b/sub; cd ${grounds.home}/a/b; touch other{1..200} sub/{1..50}`]);
  keeper = new KeeperProcess(grounds, specs);
  await keeper.heard("ready");
  const watches = execFileSync("bash", ["-c", `cat /proc/${keeper.pid}/fdinfo/* | grep -c ^inotify`], { encoding: "utf8" });
  expect(Number(watches)).toBeLessThanOrEqual(4);
});

test("links are watched whose directories are made with them, as in a fresh home, or again later", async () => {
  const names = [".first", ".config/a/rc", ".second", ".config/b/rc", ".config/c/rc", ".local/share/deep/er/file", ".local/state/x"];
  const specs = names.map((name) => grounds.spec(name));
  keeper = new KeeperProcess(grounds, specs);
  await keeper.heard("ready");
  for (const { target } of specs) replace(target, `new ${target}`);
  for (const { target, source } of specs) {
    await keeper.heard("link healed", target);
    expect(readFileSync(source, "utf8")).toBe(`new ${target}`);
  }
  execFileSync("rm", ["-r", `${grounds.home}/.config`]);
  for (const { target } of specs.slice(1, 2)) {
    await until("the link being put back", 10_000, () => isLink(target));
    replace(target, "newer");
    await keeper.heard("link healed", target, 2);
  }
});

test("a mount beside a link is not looked at, and may hang", async () => {
  const source = join(grounds.base, "below");
  const mountpoint = join(grounds.home, "stuck");
  for (const directory of [source, mountpoint]) mkdirSync(directory);
  const stuck = await startMount({ engine: "bindfs", source });
  execFileSync("mount", ["--bind", stuck.mountpoint, mountpoint]);
  try {
    stuck.signal("SIGSTOP");
    const spec = grounds.spec("beside");
    keeper = new KeeperProcess(grounds, [spec]);
    await keeper.heard("ready");
    replace(spec.target, "new");
    await keeper.heard("link healed", spec.target);
    await keeper.end();
  } finally {
    stuck.signal("SIGCONT");
    execFileSync("umount", ["-i", "-l", mountpoint]);
    await stuck.dispose();
  }
});

test("a storm of replacements is healed at a bounded pace, and its end is stored", { timeout: 60_000 }, async () => {
  const spec = grounds.spec("stormy");
  keeper = new KeeperProcess(grounds, [spec]);
  await keeper.heard("ready");
  const storm = spawn("bash", ["-c", `for i in {1..20000}; do echo $i > ${spec.target}.t; mv ${spec.target}.t ${spec.target}; done`]);
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  storm.kill();
  await new Promise((resolve) => storm.once("exit", resolve));
  const healings = keeper.said.filter((said) => said.message === "link healed").length;
  expect(healings).toBeLessThan(40);
  await until("the link being back", 15_000, () => isLink(spec.target));
  const last = readFileSync(spec.source, "utf8");
  expect(last).toMatch(/^\d+\n$/);
  const ticks = (): number =>
    readFileSync(`/proc/${keeper?.pid}/stat`, "utf8")
      .split(" ")
      .slice(13, 15)
      .reduce((sum, field) => sum + Number(field), 0);
  const before = ticks();
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  // Idle again: less than a tenth of one processor (100 ticks a second).
  expect(ticks() - before).toBeLessThan(20);
});

test("without inotify watches it polls, says so, and heals all the same", async (context) => {
  const limit = "/proc/sys/user/max_inotify_watches";
  if (spawnSync("unshare", ["--user", "--map-root-user", "sh", "-c", `echo 0 > ${limit}`]).status !== 0)
    return context.skip("no user namespaces here");
  const spec = grounds.spec("polled");
  keeper = new KeeperProcess(grounds, [spec], "unshare", [
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    `echo 0 > ${limit}; exec "$@"`,
    "sh",
    process.execPath,
  ]);
  await keeper.heard("ready");
  await keeper.heard("cannot watch, polling links instead");
  expect(keeper.said.filter((said) => said.level === "warn")).toHaveLength(1);
  replace(spec.target, "new");
  await keeper.heard("link healed", spec.target);
  expect(readFileSync(spec.source, "utf8")).toBe("new");
});

test("a failed healing is reported, tried again and succeeds when it can", async () => {
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", grounds.storage]);
  try {
    const spec = grounds.spec("big");
    keeper = new KeeperProcess(grounds, [spec]);
    await keeper.heard("ready");
    replace(spec.target, "x".repeat(200_000));
    expect((await keeper.heard("link not healed", spec.target)).reason).toContain("ENOSPC");
    expect(await keeper.status()).toContainEqual(expect.objectContaining({ state: "failed", hint: expect.stringContaining("room") }));
    execFileSync("mount", ["-o", "remount,size=1m", grounds.storage]);
    await keeper.heard("link healed", spec.target);
    expect((await keeper.status())[0]).toMatchObject({ state: "ok", healed: 1 });
    await keeper.end();
  } finally {
    execFileSync("umount", [grounds.storage]);
  }
});

test("permission denied is reported for an ordinary user", async (context) => {
  if (process.getuid?.() !== 0) return context.skip("needs root to become somebody else");
  const spec = grounds.spec("f");
  execFileSync("chmod", ["755", grounds.base]);
  execFileSync("chown", ["-R", "65534:65534", grounds.state]);
  keeper = new KeeperProcess(grounds, [spec], "setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath]);
  expect((await keeper.heard("not placed")).reason).toContain("EACCES");
});
