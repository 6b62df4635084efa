import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { adopt as adoptHere, planAdoption, type Adopted } from "../../src/adopt/adopt.ts";
import { ADOPT_STEPS } from "../../src/adopt/failpoint.ts";
import type { LinkSpec, Spec } from "../../src/plan/types.ts";
import { withDisk } from "../helpers/disk.ts";
import { makeGrounds, type Grounds } from "../link/place.ts";
import { listTree, makeTree } from "./tree.ts";

const FIXTURE = fileURLToPath(new URL("fixtures/adopt.mjs", import.meta.url));

let grounds: Grounds;
let link: LinkSpec;
let mount: Spec;
beforeEach(() => {
  grounds = makeGrounds("adopt");
  link = grounds.spec("p/data", { what: "directory" });
  const { source, target, storage, mode, option, parentMode } = link;
  mount = {
    kind: "mount",
    method: "fuse",
    source,
    target,
    storage,
    mode,
    parentMode,
    option,
    cache: "shared",
    allowOther: false,
    onNonEmpty: "adopt",
    hideMount: false,
    allowTrash: false,
  };
  mkdirSync(join(grounds.home, "p"));
});
afterEach(() => grounds.remove());

type Outcome = Partial<Adopted> & { readonly code?: string; readonly message?: string };

function adopt(spec: Spec, options: object = {}, failpoint?: string): { signal: string | null; outcome: Outcome } {
  const env = failpoint === undefined ? process.env : { ...process.env, HMPERSIST_FAILPOINT: `adopt:${failpoint}` };
  const argument = JSON.stringify({ spec, home: grounds.home, options });
  const { signal, stdout, stderr } = spawnSync(process.execPath, [FIXTURE, argument], { env, encoding: "utf8", timeout: 60_000 });
  if (signal === null && stdout === "") throw new Error(stderr);
  return { signal, outcome: stdout === "" ? {} : (JSON.parse(stdout) as Outcome) };
}

const leftovers = (): string => execFileSync("find", [grounds.home, grounds.storage, "-name", ".hmpersist-*"], { encoding: "utf8" });

test("a storage that goes away before it is opened is a refusal", () => {
  makeTree(mount.target);
  const { outcome } = adopt({ ...mount, storage: join(grounds.storage, "gone"), source: join(grounds.storage, "gone/data") });
  expect(outcome).toMatchObject({ code: "HMP_REFUSED", message: expect.stringMatching(/gone.*ENOENT/) });
});

test("a directory with everything a home may hold moves into storage unchanged, and an empty mountpoint stays", () => {
  makeTree(mount.target);
  const before = listTree(mount.target);
  const plan = planAdoption(mount, grounds.home);
  expect(plan).toMatchObject({ decision: "copy", differing: [], writers: [] });
  expect(readdirSync(grounds.storage)).toEqual([]);
  const { outcome } = adopt(mount);
  expect(outcome).toMatchObject({ decision: "copy", late: [] });
  expect(listTree(mount.source)).toBe(before);
  expect(statSync(join(mount.source, "sparse")).blocks * 512).toBeLessThan(1_000_000);
  expect(readdirSync(mount.target)).toEqual([]);
  expect(leftovers()).toBe("");
});

test("a sparse file that nobody could read in time is copied and compared all the same", () => {
  mkdirSync(mount.target);
  execFileSync("bash", ["-euc", `truncate -s 1T ${mount.target}/disk; printf end >> ${mount.target}/disk`]);
  expect(adopt(mount).outcome).toMatchObject({ decision: "copy", late: [] });
  expect(statSync(join(mount.source, "disk"))).toMatchObject({ size: 2 ** 40 + 3 });
});

test("a storage that keeps times to the second will do", () =>
  withDisk(grounds.storage, ["-I", "128", "-q"], () => {
    mkdirSync(join(mount.target, "d"), { recursive: true });
    writeFileSync(join(mount.target, "d/f"), "f");
    utimesSync(join(mount.target, "d/f"), 1234567890.987, 1234567890.987);
    utimesSync(mount.target, -3.25, -3.25);
    expect(adopt(mount).outcome).toMatchObject({ decision: "copy", late: [] });
    expect(statSync(join(mount.source, "d/f")).mtimeMs).toBe(1_234_567_890_000);
  }));

test("the storage's default ACL is not given to what moves there", () => {
  execFileSync("setfacl", ["-d", "-m", "u:daemon:rwx", grounds.storage]);
  makeTree(mount.target);
  const before = listTree(mount.target);
  expect(adopt(mount).outcome).toMatchObject({ decision: "copy", late: [] });
  expect(listTree(mount.source)).toBe(before);
  // One that is there already is a difference.
  mkdirSync(join(mount.target, "d"));
  execFileSync("rm", ["-rf", mount.source]);
  mkdirSync(join(mount.source, "d"), { recursive: true });
  expect(adopt(mount).outcome.message).toContain("d (permissions, owner or attributes)");
});

test("with the method symlink a link to storage takes its place", () => {
  makeTree(link.target);
  const before = listTree(link.target);
  expect(adopt(link).outcome).toMatchObject({ decision: "copy" });
  expect(readlinkSync(link.target)).toBe(link.source);
  expect(listTree(link.source)).toBe(before);
});

for (const step of ADOPT_STEPS) {
  test(`killed at "${step}", a second run completes it and nothing is lost`, () => {
    makeTree(mount.target);
    const before = listTree(mount.target);
    expect(adopt(mount, {}, step).signal).toBe("SIGKILL");
    // At every instant all of it is in the home, beside it, or in storage.
    const whole = [mount.target, mount.source, join(grounds.home, "p", asideIn(join(grounds.home, "p")))].filter(
      (path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined && listTree(path) === before,
    );
    expect(whole.length).toBeGreaterThan(0);
    const { outcome } = adopt(mount);
    // Nothing was left to do but to clean up.
    if (outcome.code !== undefined) throw new Error(JSON.stringify(outcome));
    expect(listTree(mount.source)).toBe(before);
    expect(readdirSync(mount.target)).toEqual([]);
    expect(leftovers()).toBe("");
  });
}

const asideIn = (path: string): string => readdirSync(path).find((name) => name.startsWith(".hmpersist-adopted-")) ?? "none";

function bothSides(): void {
  mkdirSync(mount.target);
  mkdirSync(mount.source, { recursive: true });
  for (const [path, content, time] of [
    [join(mount.target, "same"), "same", 1],
    [join(mount.source, "same"), "same", 2],
    [join(mount.target, "only-home"), "h", 1],
    [join(mount.source, "only-storage"), "s", 1],
    [join(mount.target, "newer-home"), "home", 20],
    [join(mount.source, "newer-home"), "storage", 10],
    [join(mount.target, "newer-storage"), "home", 10],
    [join(mount.source, "newer-storage"), "storage", 20],
  ] as const) {
    writeFileSync(path, content);
    utimesSync(path, time, time);
  }
}

const contents = (): Record<string, string> =>
  Object.fromEntries(readdirSync(mount.source).map((name) => [name, readFileSync(join(mount.source, name), "utf8")]));

test("storage with other data is refused and the differing paths are named", () => {
  bothSides();
  const before = [listTree(mount.target), listTree(mount.source)];
  const { outcome } = adopt(mount);
  expect(outcome.code).toBe("HMP_REFUSED");
  for (const name of ["only-home (only in home)", "only-storage (only in storage)", "newer-home", "newer-storage"])
    expect(outcome.message).toContain(name);
  expect(outcome.message).not.toContain("same,");
  expect([listTree(mount.target), listTree(mount.source)]).toEqual(before);
});

for (const [merge, home, storage] of [
  ["keep-home", "home", "home"],
  ["keep-storage", "storage", "storage"],
  ["newest", "home", "storage"],
] as const) {
  test(`--merge ${merge}`, () => {
    bothSides();
    expect(adopt(mount, { merge }).outcome).toMatchObject({ decision: "merge", late: [] });
    expect(contents()).toEqual({ same: "same", "only-home": "h", "only-storage": "s", "newer-home": home, "newer-storage": storage });
    expect(leftovers()).toBe("");
  });
  test(`--merge ${merge}, killed at every step, completes`, () => {
    for (const step of ["copied", "noted", "stored", "leaving", "left", "removing", "removed"]) {
      bothSides();
      expect(adopt(mount, { merge }, step).signal).toBe("SIGKILL");
      const { outcome } = adopt(mount, { merge });
      if (outcome.code !== undefined) throw new Error(`${step}: ${JSON.stringify(outcome)}`);
      expect(contents(), step).toEqual({
        same: "same",
        "only-home": "h",
        "only-storage": "s",
        "newer-home": home,
        "newer-storage": storage,
      });
      expect(leftovers()).toBe("");
      execFileSync("rm", ["-rf", mount.target, mount.source]);
    }
  });
}

test.each(["keep-home", "keep-storage", "newest"])("--merge %s: a link to what the other side has loses", (merge) => {
  for (const path of [mount.target, mount.source]) mkdirSync(join(path, "sub"), { recursive: true });
  writeFileSync(join(mount.source, "conf"), "conf");
  mkdirSync(join(mount.source, "sub/dir"));
  writeFileSync(join(mount.source, "sub/dir/f"), "f");
  writeFileSync(join(mount.target, "turned"), "turned");
  symlinkSync(join(mount.source, "conf"), join(mount.target, "conf"));
  symlinkSync(relative(join(mount.target, "sub"), join(mount.source, "sub/dir")), join(mount.target, "sub/dir"));
  symlinkSync(join(mount.target, "turned"), join(mount.source, "turned"));
  expect(adopt(mount, { merge }).outcome).toMatchObject({ decision: "merge", late: [] });
  expect(["conf", "sub/dir/f", "turned"].map((name) => readFileSync(join(mount.source, name), "utf8"))).toEqual(["conf", "f", "turned"]);
  expect(leftovers()).toBe("");
});

test("--merge newest: a directory is as new as the newest there is in it", () => {
  const fill = (side: string, directory: string, file: string): void => {
    mkdirSync(join(side, directory, "sub"), { recursive: true });
    writeFileSync(join(side, directory, "sub/new"), "new");
    writeFileSync(join(side, file), "old");
    utimesSync(join(side, file), 20, 20);
    for (const path of [join(directory, "sub"), directory]) utimesSync(join(side, path), 10, 10);
  };
  fill(mount.target, "a", "b");
  fill(mount.source, "b", "a");
  expect(adopt(mount, { merge: "newest" }).outcome).toMatchObject({ decision: "merge", late: [] });
  for (const name of ["a", "b"]) expect(readFileSync(join(mount.source, name, "sub/new"), "utf8")).toBe("new");
});

test("directories that are nested too deep are refused", () => {
  mkdirSync(mount.target);
  const script = `import os, sys
os.chdir(sys.argv[1])
for _ in range(5000):
    os.mkdir("d")
    os.chdir("d")`;
  execFileSync("python3", ["-c", script, mount.target]);
  expect(adopt(mount).outcome).toMatchObject({ code: "HMP_REFUSED", message: expect.stringContaining("nested too deep") });
  expect(leftovers()).toBe("");
  execFileSync("rm", ["-rf", mount.target]);
});

test("storage with the same data is taken as it is", () => {
  mkdirSync(mount.target);
  mkdirSync(mount.source, { recursive: true });
  for (const path of [mount.target, mount.source]) writeFileSync(join(path, "f"), "same");
  expect(adopt(mount).outcome).toMatchObject({ decision: "same" });
  expect(readdirSync(mount.target)).toEqual([]);
});

test("a program with a file open for writing is named and adoption refused, unless told otherwise", async () => {
  mkdirSync(mount.target);
  const writer = spawn("bash", ["-c", `exec 3> ${mount.target}/log; echo open; read -r`], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    await new Promise((resolve) => writer.stdout.once("data", resolve));
    const { outcome } = adopt(mount);
    expect(outcome.code).toBe("HMP_BUSY");
    expect(outcome.message).toContain(`pid ${writer.pid}`);
    expect(readdirSync(mount.target)).toEqual(["log"]);
    // Told to go on, the original stays beside while it is written.
    const forced = adopt(mount, { ignoreWriters: true }).outcome;
    expect(forced.late?.join()).toContain("open for writing");
    expect(readdirSync(forced.aside ?? "")).toEqual(["log"]);
  } finally {
    writer.kill();
  }
  await once(writer, "exit");
  expect(adopt(mount).outcome).toMatchObject({ decision: "finish", late: [] });
  expect(leftovers()).toBe("");
});

test("permissions, owners and attributes are a difference, and go with whoever wins", () => {
  const fill = (path: string, mode: number): void => {
    mkdirSync(path, { recursive: true });
    for (const name of ["key", "run"]) writeFileSync(join(path, name), name);
    chmodSync(path, mode);
    chmodSync(join(path, "key"), mode & 0o666);
    execFileSync("setfattr", ["-n", "user.note", "-v", String(mode), join(path, "run")]);
  };
  fill(mount.source, 0o755);
  fill(mount.target, 0o700);
  const { outcome } = adopt(mount);
  expect(outcome.code).toBe("HMP_REFUSED");
  for (const name of [".", "key", "run"]) expect(outcome.message).toContain(`${name} (permissions, owner or attributes)`);
  const modes = (): number[] => [mount.source, join(mount.source, "key")].map((path) => statSync(path).mode & 0o777);
  const before = listTree(mount.target);
  expect(adopt(mount, { merge: "keep-home" }).outcome).toMatchObject({ decision: "merge" });
  expect(modes()).toEqual([0o700, 0o600]);
  expect(listTree(mount.source)).toBe(before);
  fill(mount.target, 0o755);
  expect(adopt(mount, { merge: "keep-storage" }).outcome).toMatchObject({ decision: "merge" });
  expect(modes()).toEqual([0o700, 0o600]);
  expect(listTree(mount.source)).toBe(before);
});

test("what storage has already is on disk before the original goes", () =>
  withDisk(grounds.storage, [], ({ afterPowerCut }) => {
    mkdirSync(mount.target);
    mkdirSync(mount.source, { recursive: true });
    for (const path of [mount.target, mount.source]) writeFileSync(join(path, "f"), "same");
    expect(adopt(mount).outcome).toMatchObject({ decision: "same" });
    expect(afterPowerCut((disk) => readFileSync(join(disk, "p/data/f"), "utf8"))).toBe("same");
  }));

test.each(["mapped", "under another path"])("a file that is open for writing is found: %s", async (how) => {
  mkdirSync(mount.target);
  const file = join(mount.target, "log");
  writeFileSync(file, "log");
  const elsewhere = join(grounds.home, "elsewhere");
  mkdirSync(elsewhere);
  const mapped = `
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
fd = os.open("${file}", os.O_RDWR)
libc.mmap(None, 4096, 3, 1, fd, 0)
os.close(fd)
print("open", flush=True)
sys.stdin.read()`;
  const bound = `mount --bind ${mount.target} ${elsewhere}; exec 3>> ${elsewhere}/log; echo open; read -r`;
  const [program, ...args] =
    how === "mapped" ? ["python3", "-c", mapped] : ["unshare", "--mount", "--propagation", "private", "bash", "-ec", bound];
  const writer = spawn(program ?? "", args, { stdio: ["pipe", "pipe", "inherit"] });
  try {
    await new Promise((resolve) => writer.stdout.once("data", resolve));
    const { outcome } = adopt(mount);
    expect(outcome.code).toBe("HMP_BUSY");
    expect(outcome.message).toContain(`pid ${writer.pid}`);
    const forced = adopt(mount, { ignoreWriters: true }).outcome;
    expect(forced.late).toEqual(["log (open for writing)"]);
  } finally {
    writer.kill();
  }
});

describe("what was put into the original since it was copied keeps it", () => {
  // Where a program that has its working directory there puts something: the place is mounted over by then.
  const put: Record<string, (original: string) => void> = {
    "a directory": (original) => renameSync(join(grounds.home, "old"), join(original, "app")),
    "a directory, under the name of another": (original) => {
      renameSync(join(original, "sub"), join(grounds.home, "away"));
      renameSync(join(grounds.home, "old"), join(original, "sub"));
    },
    "a directory, and the time set back": (original) => {
      renameSync(join(grounds.home, "old"), join(original, "sub/app"));
      for (const path of [original, join(original, "sub")]) utimesSync(path, 1, 1);
    },
    "a file": (original) => renameSync(join(grounds.home, "old/thesis"), join(original, "thesis")),
    // On a tmpfs only the first touch of a page changes the times.
    "a change through a mapping": (original) => {
      const script = `import mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 0) as page:
    page[0]
    page[:7] = b"thesis\\n"`;
      execFileSync("python3", ["-c", script, join(original, "sub/thesis")]);
    },
  };
  for (const [what, work] of Object.entries(put)) {
    test(what, async () => {
      mkdirSync(join(mount.target, "sub"), { recursive: true });
      mkdirSync(join(grounds.home, "old"));
      writeFileSync(join(mount.target, "sub/thesis"), "one of the same name");
      writeFileSync(join(grounds.home, "old/thesis"), "thesis");
      await sleep(50);
      const original = (): string => join(grounds.home, "p", asideIn(join(grounds.home, "p")));
      const mounted = async (): Promise<void> => work(original());
      const { late, aside } = await adoptHere(mount, grounds.home, { merge: undefined, ignoreWriters: false, mount: mounted });
      expect(late).toHaveLength(1);
      expect(execFileSync("grep", ["-rlx", "thesis", aside ?? "none"], { encoding: "utf8" })).not.toBe("");
      // Nor does a second run remove it.
      expect(adopt(mount).outcome).toMatchObject({ decision: "finish", late });
    });
  }
});

test("what is written to the original while it is removed stays, and is named", async () => {
  mkdirSync(join(mount.target, "work"), { recursive: true });
  for (const name of ["a", "b", "work/log", "work/open", "work/rest"]) writeFileSync(join(mount.target, name), "old");
  expect(adopt(mount, {}, "removing").signal).toBe("SIGKILL");
  const original = join(grounds.home, "p", asideIn(join(grounds.home, "p")));
  appendFileSync(join(original, "work/log"), "new");
  const writer = spawn("bash", ["-c", `exec 3>> ${original}/work/open; echo open; read -r`], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    await new Promise((resolve) => writer.stdout.once("data", resolve));
    expect(adopt(mount).outcome).toMatchObject({ late: ["work/log", "work/open"], aside: original });
  } finally {
    writer.kill();
  }
  expect(readdirSync(original)).toEqual(["work"]);
  expect(readFileSync(join(original, "work/log"), "utf8")).toBe("oldnew");
  expect(adopt(mount).outcome.late).toContain("work/log");
});

test("a second adoption of the same entry waits for nothing and changes nothing", async () => {
  makeTree(mount.target);
  const before = listTree(mount.target);
  const during = async (): Promise<void> => {
    // An empty mountpoint stands there now, and a program puts something into it.
    writeFileSync(join(mount.target, "f"), "");
    expect(adopt(mount).outcome).toMatchObject({ code: "HMP_BUSY", message: expect.stringContaining(mount.source) });
  };
  await adoptHere(mount, grounds.home, { merge: undefined, ignoreWriters: false, mount: during });
  expect(listTree(mount.source)).toBe(before);
  expect(leftovers()).toBe("");
});

test("of several adoptions started at once one does it", async () => {
  mkdirSync(mount.target);
  for (let number = 0; number < 300; number += 1) writeFileSync(join(mount.target, String(number)), "x");
  const argument = JSON.stringify({ spec: mount, home: grounds.home, options: { merge: "keep-home" } });
  const runs = Array.from({ length: 4 }, () => spawn(process.execPath, [FIXTURE, argument], { stdio: "ignore" }));
  await Promise.all(runs.map((run) => new Promise((resolve) => run.on("close", resolve))));
  expect(readdirSync(mount.source)).toHaveLength(300);
  expect(leftovers()).toBe("");
});

test("an original that cannot be removed is named; storage is in use all the same", async () => {
  mkdirSync(mount.target);
  for (const name of ["f", "g"]) writeFileSync(join(mount.target, name), name);
  const held = (): string => join(grounds.home, "p", asideIn(join(grounds.home, "p")), "f");
  const hold = async (): Promise<void> => void execFileSync("chattr", ["+i", held()]);
  try {
    const { left, aside } = await adoptHere(mount, grounds.home, { merge: undefined, ignoreWriters: false, mount: hold });
    expect(left).toMatchObject({ reason: expect.stringMatching(/EPERM/), hint: expect.stringContaining("lsattr") });
    expect(left?.reason).toContain(aside);
  } finally {
    execFileSync("chattr", ["-i", held()]);
  }
  expect(readdirSync(mount.source)).toEqual(["f", "g"]);
  expect(adopt(mount).outcome).toMatchObject({ decision: "finish", late: [] });
  expect(leftovers()).toBe("");
});

test("an original that an earlier run left is never in the way of another one", () => {
  const left = join(grounds.home, "p", `.hmpersist-adopted-${createHash("sha256").update("data").digest("hex").slice(0, 16)}`);
  for (const path of [mount.target, left]) mkdirSync(path);
  for (const path of [mount.target, left]) writeFileSync(join(path, "f"), path);
  expect(adopt(mount).outcome).toMatchObject({ code: "HMP_REFUSED", message: expect.stringContaining(left) });
  expect(readFileSync(join(left, "f"), "utf8")).toBe(left);
});

test("a full storage refuses and leaves nothing behind", () => {
  makeTree(mount.target);
  const before = listTree(mount.target);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", grounds.storage]);
  try {
    const { outcome } = adopt(mount);
    expect(outcome).toMatchObject({ code: "HMP_REFUSED", message: expect.stringContaining("ENOSPC") });
    expect(leftovers()).toBe("");
    expect(listTree(mount.target)).toBe(before);
  } finally {
    execFileSync("umount", [grounds.storage]);
  }
});

test("a storage without permissions is refused for what it cannot hold", () => {
  mkdirSync(mount.target);
  execFileSync("bindfs", ["--chmod-ignore", grounds.storage, grounds.storage]);
  try {
    const refusal = { code: "HMP_REFUSED", message: expect.stringContaining("storage cannot hold everything: .: permissions 755") };
    writeFileSync(join(mount.target, "f"), "f", { mode: 0o600 });
    expect(adopt(mount).outcome).toMatchObject(refusal);
    expect(leftovers()).toBe("");
  } finally {
    execFileSync("umount", [grounds.storage]);
  }
});

test.each(["tmpfs", "bind", "bound file"])("a mount inside is refused: %s", (kind) => {
  const inner = join(mount.target, "inner");
  const shown = join(grounds.home, "shown");
  mkdirSync(mount.target);
  const make = kind === "bound file" ? (path: string) => writeFileSync(path, "") : (path: string) => mkdirSync(path);
  for (const path of [inner, shown]) make(path);
  if (kind === "bind") writeFileSync(join(shown, "precious"), "precious");
  execFileSync("mount", kind === "tmpfs" ? ["-t", "tmpfs", "none", inner] : ["--bind", shown, inner]);
  try {
    expect(() => planAdoption(mount, grounds.home)).toThrow("inner");
    expect(adopt(mount).outcome).toMatchObject({ code: "HMP_REFUSED", message: expect.stringContaining("inner") });
    if (kind === "bind") expect(readFileSync(join(shown, "precious"), "utf8")).toBe("precious");
  } finally {
    execFileSync("umount", [inner]);
  }
});

test("nothing is removed through a mount that came later", () => {
  const shown = join(grounds.home, "shown");
  for (const path of [join(mount.target, "inner"), shown]) mkdirSync(path, { recursive: true });
  writeFileSync(join(shown, "precious"), "precious");
  expect(adopt(mount, {}, "left").signal).toBe("SIGKILL");
  const inner = join(grounds.home, "p", asideIn(join(grounds.home, "p")), "inner");
  execFileSync("mount", ["--bind", shown, inner]);
  try {
    adopt(mount);
    expect(readFileSync(join(shown, "precious"), "utf8")).toBe("precious");
  } finally {
    execFileSync("umount", [inner]);
  }
});

test("a file moves into storage, and merging keeps the loser as a backup", () => {
  const file = grounds.spec("f");
  writeFileSync(file.target, "home");
  expect(adopt(file).outcome).toMatchObject({ decision: "copy" });
  expect(readlinkSync(file.target)).toBe(file.source);
  const other = grounds.spec("g");
  writeFileSync(other.target, "home");
  writeFileSync(other.source, "storage");
  expect(adopt(other).outcome.code).toBe("HMP_REFUSED");
  adopt(other, { merge: "keep-home" });
  expect(readFileSync(other.target, "utf8")).toBe("home");
  const [backup = ""] = readdirSync(grounds.storage).filter((name) => name.startsWith("g.hmpersist-backup-"));
  expect(readFileSync(join(grounds.storage, backup), "utf8")).toBe("storage");
});
