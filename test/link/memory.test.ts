// What is remembered of links may lie on a mount of ours that does not answer yet: nobody waits for it, and nothing of it is lost. Nor
// does a damaged record keep others from being known.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LinkMemory } from "../../src/link/memory.ts";
import { until } from "../helpers/deadline.ts";
import { withSandbox } from "../helpers/sandbox.ts";
import { makeGrounds } from "./place.ts";

test("a memory that does not answer holds nothing up, is not replaced, and counts when it answers", { timeout: 120_000 }, () =>
  withSandbox("memory", {}, async (sandbox) => {
    const memory = join(sandbox.base, "state/hmpersist/links.json");
    const target = join(sandbox.home, "file");
    mkdirSync(join(sandbox.storage, "data"));
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data"], files: ["file", "other"] } } });
    const run = async (...args: string[]): Promise<void> => expect(await sandbox.run(args)).toMatchObject({ code: 0 });
    await run("mount", "--config", sandbox.configFile);
    await run("unmount");
    await until("the daemon ending", 20_000, () => sandbox.pids().length === 0);
    const remembered = readFileSync(memory, "utf8");
    rmSync(target);
    writeFileSync(target, "saved");
    // Whoever opens it for reading waits for a writer.
    rmSync(memory);
    execFileSync("mkfifo", [memory]);
    sandbox.daemon();
    try {
      await sandbox.statusUntil("the file not being known", ({ entries }) => entries.some(({ state }) => state === "refused"), 15_000);
      await sandbox.statusUntil("all else", ({ entries }) => entries.filter(({ healthy }) => healthy).length === 2);
      expect((await sandbox.run(["plan"])).stdout).toContain(target);
      expect(lstatSync(memory).isFIFO()).toBe(true);
    } finally {
      const writer = spawn("sh", ["-c", `cat > "$1"`, "sh", memory], { stdio: ["pipe", "ignore", "inherit"], timeout: 10_000 });
      writer.stdin.end(remembered);
    }
    await sandbox.statusUntil("the file being healed", ({ entries }) => entries.length > 0 && entries.every(({ healthy }) => healthy));
    expect(readFileSync(join(sandbox.storage, "file"), "utf8")).toBe("saved");
    await until("it being remembered", 10_000, () => lstatSync(memory).isFile() && readFileSync(memory, "utf8").includes('"healed":1'));
  }),
);

test("records that are damaged are no memory, and the others count", async () => {
  const grounds = makeGrounds("memory");
  try {
    const file = join(grounds.state, "links.json");
    const first = new LinkMemory(grounds.state, grounds.home);
    await first.ready;
    for (const name of ["whole", "null", "half", "known"]) first.set(join(grounds.home, name), { text: join(grounds.storage, name) });
    await first.close();
    const damaged = JSON.parse(readFileSync(file, "utf8")) as { links: Record<string, Record<string, unknown> | null> };
    const [, none = "", half = "", known = ""] = Object.keys(damaged.links);
    damaged.links[none] = null;
    delete damaged.links[half]?.["backups"];
    Object.assign(damaged.links[known] ?? {}, { known: null });
    writeFileSync(file, JSON.stringify(damaged));
    const failures: unknown[] = [];
    const second = new LinkMemory(grounds.state, grounds.home, { failed: (error) => failures.push(error) });
    await second.ready;
    expect([...second.texts().keys()]).toEqual([join(grounds.home, "whole")]);
    expect(failures).toEqual([]);
    await second.close();
  } finally {
    grounds.remove();
  }
});

const btrfs = spawnSync("mkfs.btrfs", ["--version"]).status === 0 && readFileSync("/proc/filesystems", "utf8").includes("btrfs");
if (!btrfs) process.stderr.write("skipped: a home that is rolled back: it takes btrfs-progs and a kernel with btrfs\n");

test.skipIf(!btrfs)("a home that is rolled back to a snapshot is another home", async () => {
  const grounds = makeGrounds("memory");
  const [image, disk] = [join(grounds.base, "image"), join(grounds.base, "disk")];
  const run = (command: string): void => void execFileSync("sh", ["-ec", command], { cwd: grounds.base, stdio: "ignore" });
  mkdirSync(disk);
  run("truncate -s 200M image; mkfs.btrfs -q image");
  run(
    `mount -o loop ${image} ${disk}; btrfs subvolume create disk/blank; mkdir disk/blank/home; btrfs subvolume snapshot disk/blank disk/now`,
  );
  try {
    const home = join(disk, "now/home");
    const remembered = async (): Promise<number> => {
      const memory = new LinkMemory(grounds.state, home);
      await memory.ready;
      await memory.close();
      return memory.texts().size;
    };
    const memory = new LinkMemory(grounds.state, home);
    await memory.ready;
    memory.set(join(home, "file"), { text: join(grounds.storage, "file") });
    await memory.close();
    expect(await remembered()).toBe(1);
    run("btrfs subvolume delete disk/now; btrfs subvolume snapshot disk/blank disk/now");
    expect(await remembered()).toBe(0);
  } finally {
    run(`umount ${disk}`);
    grounds.remove();
  }
});
