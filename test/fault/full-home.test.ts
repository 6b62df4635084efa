// The tmpfs of the home, and those of the runtime and the state directory, are full to the last inode while a link is to be mended, a
// directory to be mounted, the daemon's own files to be written. Nothing is lost, each trouble is told once, and it mends when there is room.
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, lstatSync, openSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { O_NOFOLLOW, O_PATH } from "../../src/sys/constants.ts";
import { until } from "../helpers/deadline.ts";
import { mountData, outcome } from "../helpers/faults.ts";
import { withSandbox } from "../helpers/sandbox.ts";

const OPTIONS = "size=2m,nr_inodes=200";
const WAIT_MS = 30_000;

/** Takes every block and every inode of the file system at `directory`. */
const FILL = `
import os, sys
os.makedirs(sys.argv[1] + "/filler", exist_ok=True); os.chdir(sys.argv[1] + "/filler")
try:
    with open("blocks", "ab", 0) as f:
        while True: f.write(b"x" * 4096)
except OSError: pass
n = len(os.listdir("."))
try:
    while True: os.mkdir("inode%d" % n); n += 1
except OSError: pass
`;
const fill = (directory: string): void => void execFileSync("python3", ["-c", FILL, directory]);
const count = (text: string, part: string): number => text.split(part).length - 1;

test(
  "a home without room: what a program saved is in storage, mounts come, and all is mended when there is room",
  { timeout: 120_000 },
  () =>
    withSandbox("full-home", { homeOptions: OPTIONS }, async (sandbox) => {
      const own = ["run", "state"].map((name) => join(sandbox.base, name));
      for (const path of own) execFileSync("mount", ["-t", "tmpfs", "-o", `${OPTIONS},mode=0700`, "tmpfs", path]);
      const data = await mountData(sandbox, sandbox.storage, { engine: "kernel", cache: "shared" }, ["settings"]);
      const settings = join(sandbox.home, "settings");
      expect(await outcome(sandbox, sandbox.home, `open("settings", "w").write("volume = 10")`)).toBe("ok");
      const memory = join(sandbox.base, "state/hmpersist/links.json");
      await until("the link to be remembered", WAIT_MS, () => existsSync(memory));
      const full = [sandbox.home, ...own];
      for (const name of ["saved", "later"]) writeFileSync(join(sandbox.home, name), `volume = 11, ${name}`);
      for (const path of full) fill(path);

      const stored = join(sandbox.storage, "settings");
      // What is replaced stays open, so that its inode does not become free.
      const held: number[] = [];
      const save = (name: string): void => {
        held.push(openSync(settings, O_PATH | O_NOFOLLOW));
        renameSync(join(sandbox.home, name), settings);
      };
      save("saved");
      const report = await sandbox.statusUntil("a link that waits", ({ entries }) => entries[1]?.detail?.includes("ENOSPC") === true);
      expect(report.entries[1]).toMatchObject({ state: "missing", healthy: false });
      expect(report.entries[1]?.detail).toContain("make room");
      expect(readFileSync(stored, "utf8")).toBe("volume = 11, saved");
      // Saved again, it goes to storage again; what was put there before is no stranger's, so it is not kept aside: only the first was.
      save("later");
      await until("the new content to be in storage", WAIT_MS, () => readFileSync(stored, "utf8") === "volume = 11, later");
      expect(readFileSync(settings, "utf8")).toBe("volume = 11, later");
      expect(readdirSync(sandbox.storage).filter((name) => name.includes("backup"))).toHaveLength(1);
      expect(count(sandbox.log(), "links not remembered")).toBeLessThanOrEqual(1);

      // The mount does its work, goes and comes.
      expect(await outcome(sandbox, data, `open("note", "w").write("kept")`)).toBe("ok");
      expect(await sandbox.run(["unmount", data])).toMatchObject({ code: 0 });
      await sandbox.run(["apply"]);
      expect((await sandbox.status()).entries[0]).toMatchObject({ state: "mounted" });
      expect(await outcome(sandbox, data, `assert open("note").read() == "kept"`)).toBe("ok");

      for (const fd of held) closeSync(fd);
      rmSync(join(sandbox.home, "filler"), { recursive: true });
      // It would be tried by itself, too, within a minute.
      expect(await sandbox.run(["apply"])).toMatchObject({ code: 0 });
      await until(
        "the link to be mended",
        WAIT_MS,
        () => lstatSync(settings).isSymbolicLink(),
        () => sandbox.log(),
      );
      for (const path of own) rmSync(join(path, "filler"), { recursive: true });
      await until("the mended link to be remembered", WAIT_MS, () => /"healed":1/.test(readFileSync(memory, "utf8")));
      expect(readFileSync(stored, "utf8")).toBe("volume = 11, later");
      expect(readdirSync(sandbox.home).sort()).toEqual(["data", "settings"]);
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    }),
);

test("without room for its own files a daemon says so, and starts when there is some", { timeout: 60_000 }, () =>
  withSandbox("full-run", {}, async (sandbox) => {
    const run = join(sandbox.base, "run");
    execFileSync("mount", ["-t", "tmpfs", "-o", `${OPTIONS},mode=0700`, "tmpfs", run]);
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data"] } } });
    const start = () => sandbox.run(["mount", "--config", sandbox.configFile]);
    fill(run);
    const refused = await start();
    expect(refused).toMatchObject({ code: 4 });
    expect(refused.stderr).toContain("ENOSPC");
    expect(count(refused.stderr, "\n")).toBeLessThan(4);
    rmSync(join(run, "filler"), { recursive: true });
    expect(await start()).toMatchObject({ code: 0 });
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    // The files are there from the last time, but not the socket.
    fill(run);
    const again = await start();
    expect(again).toMatchObject({ code: 4 });
    expect(again.stderr).toContain("ENOSPC");
    expect(sandbox.mounts()).toEqual([]);
  }),
);
