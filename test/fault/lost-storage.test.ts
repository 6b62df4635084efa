// A storage that is taken away under its mounts: unmounted, covered by another file system, its directories deleted or renamed. Programs
// get sensible errors, nothing is made where the storage should be, `status` says what is wrong, and all is well when it is back.
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mountData, outcome, WAYS, type Way } from "../helpers/faults.ts";
import { withHungStorage } from "../helpers/hung-storage.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

const run = (command: string, ...args: string[]): void => void execFileSync(command, args);

/** An image of a small ext4 that holds the directories. */
function ext4(sandbox: Sandbox, name: string, ...directories: readonly string[]): string {
  const image = join(sandbox.base, name);
  const content = join(sandbox.base, `${name}-content`);
  for (const directory of ["", ...directories]) mkdirSync(join(content, directory), { recursive: true });
  writeFileSync(image, "");
  truncateSync(image, 8 << 20);
  run("mkfs.ext4", "-q", "-m", "0", "-d", content, image);
  return image;
}

/** An ext4 as the storage, its directory "data" mounted and its file "settings" linked. */
class Disk {
  readonly sandbox: Sandbox;
  /** The persistentStoragePath, a mountpoint. */
  readonly path: string;
  readonly #image: string;
  data = "";

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
    this.path = join(sandbox.base, "disk");
    mkdirSync(this.path);
    this.#image = ext4(sandbox, "image");
    this.attach();
  }

  attach(image = this.#image): void {
    run("mount", "-o", "loop", image, this.path);
  }

  async mount(way: Way): Promise<void> {
    this.data = await mountData(this.sandbox, this.path, way, ["settings"]);
    await this.expectOutcome(`open("note", "w").write("kept")`);
  }

  async expectOutcome(lines: string, wanted = "ok"): Promise<void> {
    expect(await outcome(this.sandbox, this.data, lines), lines).toBe(wanted);
  }

  async expectNote(text: string): Promise<void> {
    await this.expectOutcome(`assert open("note").read() == ${JSON.stringify(text)}`);
  }

  /** Waits until the entry of the mount is in `state`; its detail. */
  async state(state: string): Promise<string> {
    const { entries } = await this.sandbox.statusUntil(`state ${state}`, (report) => report.entries[0]?.state === state);
    return entries[0]?.detail ?? "";
  }

  async expectApplied(code: number): Promise<void> {
    const applied = await this.sandbox.run(["apply"]);
    expect(applied.code, applied.stdout + applied.stderr).toBe(code);
  }
}

async function deleted(disk: Disk): Promise<void> {
  rmSync(join(disk.path, "data"), { recursive: true });
  expect(await disk.state("stale")).toContain("was removed or renamed");
  await disk.expectOutcome(`open("new", "w")`, "ENOENT");
  expect(existsSync(join(disk.path, "data"))).toBe(false);
  await disk.expectApplied(0);
  await disk.expectOutcome(`open("note", "w").write("second")`);
  expect(readFileSync(join(disk.path, "data/note"), "utf8")).toBe("second");
}

async function renamed(disk: Disk): Promise<void> {
  const put = (from: string, content: string): void => {
    renameSync(join(disk.path, "data"), join(disk.path, from));
    mkdirSync(join(disk.path, "data"));
    writeFileSync(join(disk.path, "data/note"), content);
  };
  put("before", "third");
  expect(await disk.state("stale")).toContain("another directory stands at");
  // What is mounted is still the directory that was renamed: nothing is lost, nothing is mixed up.
  await disk.expectNote("second");
  await disk.expectOutcome(`open("more", "w").write("x")`);
  expect(readdirSync(join(disk.path, "before")).sort()).toEqual(["more", "note"]);
  await disk.expectApplied(0);
  await disk.expectNote("third");

  // A server that dies meanwhile is followed by one that finds another directory: its mount ends, and the new one comes.
  put("between", "fourth");
  const { server } = await disk.sandbox.status();
  process.kill(server?.pid ?? 0, "SIGKILL");
  await disk.sandbox.statusUntil("another server", (report) => report.server !== null && report.server.pid !== server?.pid);
  await disk.state("mounted");
  await disk.expectNote("fourth");
}

async function unmounted(disk: Disk): Promise<void> {
  const { sandbox, path } = disk;
  run("umount", "-l", path);
  expect(await disk.state("stale")).toContain(`nothing is mounted at ${path}; mount it`);
  // The file system itself is there as long as it is in use, and what is written goes to it, never into the bare mountpoint.
  await disk.expectNote("fourth");
  await disk.expectOutcome(`os.mkdir("made"); open("made/later", "w").write("x")`);
  const settings = join(sandbox.home, "settings");
  rmSync(settings);
  writeFileSync(settings, "volume = 11");
  const linked = await sandbox.statusUntil("a link that waits", (report) => report.entries[1]?.state === "missing");
  expect(linked.entries[1]?.detail).toContain(`nothing is mounted at ${path}`);
  await disk.expectApplied(3);
  expect(readdirSync(path)).toEqual([]);
  expect(readFileSync(settings, "utf8")).toBe("volume = 11");

  disk.attach();
  await disk.state("mounted");
  await disk.expectOutcome(`assert open("made/later").read() == "x"`);
  expect(readFileSync(join(path, "data/made/later"), "utf8")).toBe("x");
  await sandbox.statusUntil("a mended link", (report) => report.entries[1]?.state === "healed");
  expect(readFileSync(join(path, "settings"), "utf8")).toBe("volume = 11");
  expect(lstatSync(settings).isSymbolicLink()).toBe(true);
}

async function covered(disk: Disk): Promise<void> {
  const { sandbox } = disk;
  const holder = sandbox.spawn("sh", ["-c", 'cd "$1" && echo ready && exec sleep 60', "sh", disk.data]);
  await new Promise((resolve) => holder.stdout?.once("data", resolve));
  disk.attach(ext4(sandbox, "other"));
  mkdirSync(join(disk.path, "data"));
  writeFileSync(join(disk.path, "data/note"), "other");
  // Whoever has it open goes on with what was opened.
  const busy = /another directory stands at .*; .*busy: held by sleep/;
  await sandbox.statusUntil("a busy mount", ({ entries: [entry] }) => entry?.state === "stale" && busy.test(entry.detail ?? ""));
  await disk.expectNote("fourth");
  const ended = new Promise((resolve) => holder.once("exit", resolve));
  holder.kill("SIGKILL");
  await ended;
  await disk.expectApplied(0);
  await disk.expectNote("other");
}

test.each(WAYS)("$name: a storage deleted, renamed, unmounted and covered under its mount", { timeout: 120_000 }, (way) =>
  withSandbox("lost", {}, async (sandbox) => {
    const disk = new Disk(sandbox);
    await disk.mount(way);
    const { daemon } = await sandbox.status();
    for (const scenario of [deleted, renamed, unmounted, covered]) await scenario(disk);
    expect((await sandbox.status()).daemon?.pid).toBe(daemon?.pid);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);

test("a daemon that comes after another directory does mounts that one", { timeout: 60_000 }, () =>
  withSandbox("daemon-lost", {}, async (sandbox) => {
    const disk = new Disk(sandbox);
    await disk.mount({ engine: "kernel", cache: "shared" });
    const { daemon } = await sandbox.status();
    process.kill(daemon?.pid ?? 0, "SIGKILL");
    renameSync(join(disk.path, "data"), join(disk.path, "before"));
    mkdirSync(join(disk.path, "data"));
    writeFileSync(join(disk.path, "data/note"), "new");
    const mounted = await sandbox.run(["mount", "--config", sandbox.configFile]);
    expect(mounted.code, mounted.stdout + sandbox.log()).toBe(0);
    await disk.expectNote("new");
    expect(readFileSync(join(disk.path, "before/note"), "utf8")).toBe("kept");
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);

test("a disk that comes late is mounted by itself", { timeout: 60_000 }, () =>
  withSandbox("late", {}, async (sandbox) => {
    const path = join(sandbox.base, "disk");
    mkdirSync(path);
    const storage = join(path, "persist");
    sandbox.writeConfig({ home: sandbox.home, persistence: { [storage]: { directories: ["data"], files: ["settings"] } } });
    const mounted = await sandbox.run(["mount", "--config", sandbox.configFile]);
    expect(mounted).toMatchObject({ code: 3 });
    expect(mounted.stdout).toContain("does not exist");
    expect(readdirSync(path)).toEqual([]);
    run("mount", "-o", "loop", ext4(sandbox, "image", "persist"), path);
    await sandbox.statusUntil("both entries", (report) => report.entries.length > 0 && report.entries.every((entry) => entry.healthy));
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);

test.each([
  { how: "comes", wrong: "there is no configuration at" },
  { how: "answers", wrong: "does not answer" },
])("a service whose configuration lies on a disk that $how late mounts by itself", { timeout: 60_000 }, ({ how, wrong }) =>
  withSandbox("late-config", {}, async (sandbox) => {
    const real = join(sandbox.base, "real");
    mkdirSync(join(real, "data"), { recursive: true });
    await withHungStorage(real, async (storage) => {
      const path = how === "comes" ? join(sandbox.base, "disk") : storage.path;
      writeFileSync(join(real, "config.json"), JSON.stringify({ home: sandbox.home, persistence: { [path]: { directories: ["data"] } } }));
      if (how === "comes") mkdirSync(path);
      else storage.hang();
      sandbox.daemon(["--config", join(path, "config.json")], { NOTIFY_SOCKET: join(sandbox.base, "nobody") });
      await sandbox.statusUntil("a problem", ({ problems }) => problems.some((problem) => problem.includes(wrong)));
      if (how === "comes") run("mount", "--bind", real, path);
      else storage.answer();
      await sandbox.statusUntil("the mount", ({ entries, problems }) => entries[0]?.state === "mounted" && problems.length === 0);
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    });
  }),
);

test("a disk listed in fstab that is not mounted is not written to: its mountpoint is bare", { timeout: 60_000 }, () =>
  withSandbox("bare", {}, async (sandbox) => {
    const path = join(sandbox.base, "disk");
    const storage = join(path, "persist");
    mkdirSync(storage, { recursive: true });
    const fstab = join(sandbox.base, "fstab");
    writeFileSync(fstab, `# a comment\nUUID=0-0 / ext4 defaults 0 1\nUUID=1-1\t${path}\text4 nofail 0 2\n`);
    writeFileSync(join(sandbox.home, "settings"), "volume = 11");
    sandbox.writeConfig({
      home: sandbox.home,
      persistence: { [storage]: { directories: ["data"], files: [{ file: "settings", onConflict: "adopt" }] } },
    });
    const plan = await sandbox.runIn(`mount --bind ${fstab} /etc/fstab`, ["plan", "--config", sandbox.configFile]);
    expect(plan.code).toBe(3);
    expect(plan.stdout).toContain(`the storage ${storage} is not there: nothing is mounted at ${path}`);
    const settings = join(sandbox.home, "settings");
    const adopt = await sandbox.runIn(`mount --bind ${fstab} /etc/fstab`, ["adopt", "--config", sandbox.configFile, settings]);
    expect(adopt.code).toBe(3);
    expect(adopt.stdout + adopt.stderr).toContain(`nothing is mounted at ${path}`);
    expect(readdirSync(storage)).toEqual([]);
    expect(lstatSync(settings).isFile()).toBe(true);
  }),
);
