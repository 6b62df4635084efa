import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { placeLink } from "../../src/link/apply.ts";
import { healLink, type HealOptions } from "../../src/link/heal.ts";
import { swapName } from "../../src/link/private-name.ts";
import type { HealOutcome, LinkRecord } from "../../src/link/types.ts";
import type { LinkSpec } from "../../src/plan/types.ts";
import { cstr } from "../../src/sys/name.ts";
import { makeGrounds, replace, whileMapped, type Grounds } from "./place.ts";

let grounds: Grounds;
let spec: LinkSpec;
let record: Pick<LinkRecord, "known" | "backups">;
beforeEach(() => {
  grounds = makeGrounds("heal");
  spec = grounds.spec("d/file");
  record = place(spec);
});
afterEach(() => grounds.remove());

function place(of: LinkSpec): typeof record {
  const outcome = placeLink(of, grounds.home);
  if (!("known" in outcome)) throw new Error(JSON.stringify(outcome));
  return { known: outcome.known, backups: [] };
}

const heal = (options?: HealOptions): HealOutcome => {
  const outcome = healLink(spec, grounds.home, record, options);
  if ("known" in outcome) record = { ...record, known: outcome.known ?? record.known };
  if (outcome.result === "healed" && outcome.backup !== undefined)
    record = { ...record, backups: [...record.backups, outcome.backup].slice(-3) };
  return outcome;
};

const replaceBy = (content: string): void => replace(spec.target, content);

const names = (of: "home" | "storage"): string[] => readdirSync(join(grounds[of], "d")).sort();

test("the content goes to storage with mode, owner, times, attributes and ACL, and the link comes back", () => {
  replaceBy("new");
  execFileSync("bash", [
    "-euc",
    `chmod 640 ${spec.target}; setfattr -n user.x -v y ${spec.target}; setfacl -m u:daemon:r ${spec.target}; chown 1:2 ${spec.target}`,
  ]);
  execFileSync("touch", ["-d", "2001-02-03 04:05:06.789012345 UTC", spec.target]);
  const before = statSync(spec.target, { bigint: true });
  expect(heal()).toMatchObject({ result: "healed", bytes: 3, backup: undefined, lost: [] });
  expect(readlinkSync(spec.target)).toBe(spec.source);
  const after = statSync(spec.source, { bigint: true });
  for (const field of ["mode", "uid", "gid", "size", "mtimeNs"] as const) expect(after[field], field).toBe(before[field]);
  expect(execFileSync("getfattr", ["-d", "--absolute-names", spec.source], { encoding: "utf8" })).toContain('user.x="y"');
  expect(execFileSync("getfacl", ["--absolute-names", spec.source], { encoding: "utf8" })).toContain("user:daemon:r--");
  expect([names("home"), names("storage")]).toEqual([["file"], ["file"]]);
  expect(heal().result).toBe("ok");
});

test("holes stay holes", () => {
  execFileSync("bash", ["-c", `truncate -s 64M ${spec.target}.t; printf end >> ${spec.target}.t; mv ${spec.target}.t ${spec.target}`]);
  expect(heal()).toMatchObject({ result: "healed", bytes: 64 * 1024 * 1024 + 3 });
  expect(statSync(spec.source).blocks * 512).toBeLessThan(1024 * 1024);
  expect(readFileSync(spec.source).subarray(-3).toString()).toBe("end");
});

test("what storage held is kept as a dated backup only if it was not what had been seen behind the link", () => {
  replaceBy("1");
  expect(heal()).toMatchObject({ result: "healed", backup: undefined });
  replaceBy("2");
  expect(heal()).toMatchObject({ result: "healed", backup: undefined });
  // Changed behind our back, e.g. by a checkout of a dotfiles repository.
  writeFileSync(spec.source, "from outside");
  replaceBy("3");
  const outcome = heal();
  if (outcome.result !== "healed" || outcome.backup === undefined) throw new Error(JSON.stringify(outcome));
  expect(readFileSync(outcome.backup, "utf8")).toBe("from outside");
  expect(readFileSync(spec.source, "utf8")).toBe("3");
  expect(dirname(outcome.backup)).toBe(dirname(spec.source));
});

test("backups are bounded: the three newest stay", () => {
  for (let round = 0; round < 6; round += 1) {
    writeFileSync(spec.source, `outside ${round}`);
    replaceBy(`home ${round}`);
    expect(heal().result).toBe("healed");
  }
  const kept = record.backups.map((path) => readFileSync(path, "utf8"));
  expect(kept).toEqual(["outside 3", "outside 4", "outside 5"]);
  expect(names("storage")).toHaveLength(4);
});

test("a link in storage that is replaced is kept as a backup too", () => {
  symlinkSync("/etc/hostname", spec.source);
  replaceBy("new");
  const outcome = heal();
  expect(outcome.result === "healed" && readlinkSync(outcome.backup ?? "")).toBe("/etc/hostname");
  expect(lstatSync(spec.source).isFile()).toBe(true);
});

test("while a program has the file open for writing it is left alone; a snapshot may go to storage", () => {
  const script = `exec 3> ${spec.target}.t; printf half >&3; mv ${spec.target}.t ${spec.target}; echo; read -r; printf ' and half' >&3`;
  const writer = spawn("bash", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] });
  return new Promise<void>((resolve, reject) => {
    writer.stdout.once("data", () => {
      try {
        expect(heal()).toMatchObject({ result: "busy", reason: expect.stringContaining("open for writing") });
        expect(names("storage")).toEqual([]);
        expect(heal({ relink: true, snapshot: true }).result).toBe("busy");
        expect(readFileSync(spec.source, "utf8")).toBe("half");
        expect(lstatSync(spec.target).isFile()).toBe(true);
        writer.once("exit", () => {
          try {
            expect(heal()).toMatchObject({ result: "healed", backup: undefined });
            expect(readFileSync(spec.source, "utf8")).toBe("half and half");
            resolve();
          } catch (error) {
            reject(error as Error);
          }
        });
      } catch (error) {
        reject(error as Error);
      } finally {
        writer.stdin.end("\n");
      }
    });
  });
});

// In a process that may have no lease on the file, since it belongs to somebody else: as where the filesystem has none.
async function healWithoutLeases(): Promise<HealOutcome> {
  const script = `
    import { healLink } from ${JSON.stringify(new URL("../../dist/link/heal.js", import.meta.url).href)};
    console.log(JSON.stringify(healLink(${JSON.stringify(spec)}, ${JSON.stringify(grounds.home)}, { backups: [] })));`;
  const command = ["--bounding-set=-lease", "--inh-caps=-lease", process.execPath, "--input-type=module", "-e", script];
  return JSON.parse((await promisify(execFile)("setpriv", command)).stdout) as HealOutcome;
}

// Opens a file for writing as soon as something of a name is there, and writes to it when told to.
async function withWriter(
  path: string,
  when: string,
  body: (write: () => Promise<void>, opened: Promise<unknown>) => Promise<void>,
): Promise<void> {
  const script = `import glob, os, sys, time
print(flush=True)
sys.stdin.readline()
while not glob.glob(sys.argv[2]): time.sleep(0.001)
fd = os.open(sys.argv[1], os.O_WRONLY)
print(flush=True)
sys.stdin.readline()
os.pwrite(fd, b"PRECIOUS", 0)`;
  const writer = spawn("python3", ["-c", script, path, when], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    // It takes its time to start on a busy machine.
    await once(writer.stdout, "data");
    const opened = once(writer.stdout, "data");
    writer.stdin.write("\n");
    await body(async () => {
      await opened;
      const ended = once(writer, "exit");
      writer.stdin.end("\n");
      await ended;
    }, opened);
  } finally {
    writer.kill("SIGKILL");
  }
}

test("without leases, a program that opens the file while it is copied keeps it", async () => {
  replaceBy("x".repeat(64 * 1024 * 1024));
  execFileSync("chown", ["1:1", spec.target]);
  await withWriter(spec.target, join(grounds.storage, "d/.hmpersist-new-*"), async (write) => {
    expect(await healWithoutLeases()).toMatchObject({ result: "busy" });
    await write();
    expect(readFileSync(spec.target, "utf8").slice(0, 8)).toBe("PRECIOUS");
    expect(heal().result).toBe("healed");
    expect(readFileSync(spec.source, "utf8").slice(0, 8)).toBe("PRECIOUS");
  });
});

test("without leases, killed after the exchange: what came out and is open for writing goes back", async () => {
  writeFileSync(spec.source, "same");
  writeFileSync(swapPath(), "same");
  execFileSync("chown", ["1:1", swapPath()]);
  await withWriter(swapPath(), swapPath(), async (write, opened) => {
    await opened;
    expect(await healWithoutLeases()).toMatchObject({ result: "busy" });
    await write();
    expect(heal().result).toBe("healed");
    expect(readFileSync(spec.source, "utf8")).toBe("PRECIOUS");
  });
});

test("what a program changes through a mapping while a large file is copied is not lost", async () => {
  replaceBy("x".repeat(128 * 1024 * 1024));
  await whileMapped(spec.target, () => void heal());
  heal();
  expect(readlinkSync(spec.target)).toBe(spec.source);
  expect(readFileSync(spec.source, "utf8").slice(0, 8)).toBe("PRECIOUS");
});

test("of a file that stays open one snapshot is made for each state it is in, and the backup is told", async () => {
  writeFileSync(spec.source, "from outside");
  replaceBy("one");
  const fd = openSync(spec.target, "r+");
  try {
    // Times are coarse: what was changed just now may change again without a trace, and is copied again.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const first = heal({ relink: true, snapshot: true });
    if (first.result !== "busy" || first.backup === undefined) throw new Error(JSON.stringify(first));
    expect(readFileSync(first.backup, "utf8")).toBe("from outside");
    const { ino } = statSync(spec.source);
    const options = { relink: true, snapshot: true, taken: first.taken };
    expect(heal(options)).toEqual({ result: "busy", reason: first.reason });
    expect(statSync(spec.source).ino).toBe(ino);
    writeSync(fd, "two");
    expect(heal(options)).toMatchObject({ result: "busy", known: { size: 3 } });
    expect(readFileSync(spec.source, "utf8")).toBe("two");
  } finally {
    closeSync(fd);
  }
});

test("a deleted link is put back when told to, and what storage holds shows again", () => {
  writeFileSync(spec.target, "stored");
  unlinkSync(spec.target);
  expect(heal({ relink: false, snapshot: false }).result).toBe("busy");
  expect(heal().result).toBe("relinked");
  expect(readFileSync(spec.target, "utf8")).toBe("stored");
});

test("parents of the link that are gone are made again", () => {
  rmSync(join(grounds.home, "d"), { recursive: true });
  expect(heal().result).toBe("relinked");
});

test("a foreign link, a directory and a fifo in the place are conflicts and stay", () => {
  unlinkSync(spec.target);
  symlinkSync("/etc/hostname", spec.target);
  expect(heal()).toMatchObject({ result: "conflict", reason: expect.stringContaining("/etc/hostname") });
  expect(readlinkSync(spec.target)).toBe("/etc/hostname");
  unlinkSync(spec.target);
  mkdirSync(spec.target);
  writeFileSync(join(spec.target, "x"), "x");
  expect(heal()).toMatchObject({ result: "conflict", reason: expect.stringContaining("is a directory") });
  rmSync(spec.target, { recursive: true });
  execFileSync("mkfifo", [spec.target]);
  expect(heal()).toMatchObject({ result: "conflict" });
  expect(lstatSync(spec.target).isFIFO()).toBe(true);
});

test("a directory in storage where the file belongs is a conflict", () => {
  mkdirSync(spec.source);
  replaceBy("new");
  expect(heal()).toMatchObject({ result: "conflict", reason: expect.stringContaining("a file is expected") });
  expect(readFileSync(spec.target, "utf8")).toBe("new");
});

test("a parent that became a link out of the home is refused, and nothing is written where it leads", () => {
  const outside = join(grounds.base, "outside");
  rmSync(join(grounds.home, "d"), { recursive: true });
  mkdirSync(outside);
  symlinkSync(outside, join(grounds.home, "d"));
  writeFileSync(join(outside, "file"), "theirs");
  expect(heal()).toMatchObject({ result: "conflict", reason: expect.stringContaining("is a link") });
  expect(readFileSync(join(outside, "file"), "utf8")).toBe("theirs");
});

test("a full storage: the plain file stays, nothing of the copy does, and the next try succeeds", () => {
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", grounds.storage]);
  try {
    replaceBy("x".repeat(100_000));
    expect(heal()).toMatchObject({ result: "failed", errno: "ENOSPC", hint: expect.stringContaining("room") });
    expect(lstatSync(spec.target).isFile()).toBe(true);
    expect(readdirSync(join(grounds.storage, "d"))).toEqual([]);
    execFileSync("mount", ["-o", "remount,size=1m", grounds.storage]);
    expect(heal().result).toBe("healed");
  } finally {
    execFileSync("umount", [grounds.storage]);
  }
});

test.each(["--chmod-ignore", "--chmod-deny"])(
  "a storage without permissions takes the content, and says what it cannot hold: %s",
  (kind) => {
    execFileSync("bindfs", [kind, grounds.storage, grounds.storage]);
    try {
      replaceBy("new");
      execFileSync("chmod", ["750", spec.target]);
      expect(heal()).toMatchObject({ result: "healed", lost: ["permissions 750"] });
      expect(readFileSync(spec.target, "utf8")).toBe("new");
    } finally {
      execFileSync("umount", [grounds.storage]);
    }
  },
);

test("a read-only storage", () => {
  execFileSync("mount", ["-t", "tmpfs", "none", grounds.storage]);
  mkdirSync(join(grounds.storage, "d"));
  execFileSync("mount", ["-o", "remount,ro", grounds.storage]);
  try {
    replaceBy("new");
    expect(heal()).toMatchObject({ result: "failed", errno: "EROFS" });
    expect(readFileSync(spec.target, "utf8")).toBe("new");
  } finally {
    execFileSync("umount", [grounds.storage]);
  }
});

test("an immutable file, on either side", (context) => {
  const immutable = (path: string): boolean => spawnSync("chattr", ["+i", path]).status === 0;
  writeFileSync(spec.source, "old");
  if (!immutable(spec.source)) return context.skip("chattr +i does not work on the storage's filesystem");
  try {
    replaceBy("new");
    expect(heal()).toMatchObject({ result: "failed", errno: "EPERM", hint: expect.stringContaining("immutable") });
    expect(readFileSync(spec.target, "utf8")).toBe("new");
  } finally {
    execFileSync("chattr", ["-i", spec.source]);
  }
  expect(heal().result).toBe("healed");
});

test("names with newlines and odd bytes", () => {
  spec = grounds.spec("d/a\nb \u001b[31m é");
  record = place(spec);
  replaceBy("new");
  expect(heal().result).toBe("healed");
  expect(readFileSync(spec.source, "utf8")).toBe("new");
});

// What a SIGKILL may leave, step by step.
const swapPath = (): string => join(dirname(spec.target), Buffer.from(swapName(cstr("file")).subarray(0, -1)).toString());
const pause = (): void => void spawnSync("sleep", ["0.02"]);

test("killed before the exchange: our link under the swap name is dropped", () => {
  replaceBy("new");
  symlinkSync(spec.source, swapPath());
  expect(heal().result).toBe("healed");
  expect(names("home")).toEqual(["file"]);
});

test("killed after the exchange: what came out and is in storage is dropped", () => {
  writeFileSync(spec.source, "new");
  writeFileSync(swapPath(), "new");
  expect(heal().result).toBe("ok");
  expect(names("home")).toEqual(["file"]);
});

test("killed after an exchange that took out something newer: it wins, and storage's is kept", () => {
  writeFileSync(spec.source, "older");
  pause();
  writeFileSync(swapPath(), "newest");
  expect(heal()).toMatchObject({ result: "healed", backup: expect.any(String) });
  expect(readFileSync(spec.target, "utf8")).toBe("newest");
  expect(names("home")).toEqual(["file"]);
});

test("killed after the exchange, then written through the link: that wins, and what came out is kept in storage", () => {
  writeFileSync(swapPath(), "older");
  pause();
  writeFileSync(spec.target, "newest");
  utimesSync(spec.source, 1, 1);
  expect(heal().result).toBe("ok");
  expect(readFileSync(spec.target, "utf8")).toBe("newest");
  expect(names("home")).toEqual(["file"]);
  const [, backup = ""] = names("storage");
  expect(readFileSync(join(grounds.storage, "d", backup), "utf8")).toBe("older");
});

test("killed between the two steps of a home without exchange: the file comes back first", () => {
  unlinkSync(spec.target);
  writeFileSync(swapPath(), "only copy");
  expect(heal().result).toBe("healed");
  expect(readFileSync(spec.source, "utf8")).toBe("only copy");
});

test("a parent that changes between directory and link all the time never leads out of the home", async () => {
  const outside = join(grounds.base, "outside");
  mkdirSync(outside);
  const real = join(grounds.home, "real");
  renameSync(join(grounds.home, "d"), real);
  symlinkSync(outside, join(grounds.home, "link"));
  const script = `cd ${grounds.home}; while :; do mv -T real d; mv -T d real; mv -T link d; mv -T d link; done 2> /dev/null`;
  const swapper = spawn("bash", ["-c", script]);
  try {
    for (let round = 0; round < 300; round += 1) {
      heal();
      placeLink(spec, grounds.home);
    }
  } finally {
    swapper.kill();
  }
  await new Promise((resolve) => swapper.once("exit", resolve));
  expect(readdirSync(outside)).toEqual([]);
});

test("a file that keeps being replaced ends as busy, not in a loop", async () => {
  replaceBy("0");
  const storm = spawn("bash", [
    "-c",
    `put() { printf x > ${spec.target}.s; mv ${spec.target}.s ${spec.target}; }; put; echo; while :; do put; done`,
  ]);
  await once(storm.stdout, "data");
  try {
    for (let round = 0; round < 500; round += 1)
      expect(heal()).toEqual(expect.objectContaining({ result: expect.stringMatching(/healed|busy|ok/) }));
  } finally {
    storm.kill();
  }
  await new Promise((resolve) => storm.once("exit", resolve));
  heal();
  expect(readFileSync(spec.target, "utf8")).toBe("x");
});

test("a program that keeps the replaced file open for reading reads on", () => {
  replaceBy("readable");
  const fd = openSync(spec.target, "r");
  heal();
  expect(readFileSync(fd, "utf8")).toBe("readable");
  closeSync(fd);
  const through = openSync(spec.target, "a");
  writeSync(through, "!");
  closeSync(through);
  expect(readFileSync(spec.source, "utf8")).toBe("readable!");
});
