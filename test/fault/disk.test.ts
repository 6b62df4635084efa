// Disks that fail, by real means: blocks that cannot be read, a disk that cannot take what its file system promised, no room for what the
// kernel still holds back (exclusive), a quota; and one of many snapshots. The program hears of it, at the latest from fsync and close, and all is well afterwards.
import { execFileSync, spawnSync } from "node:child_process";
import { chownSync, copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mountAll, mountData, outcome, WAYS } from "../helpers/faults.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

const MIB = 1 << 20;
const run = (command: string, ...args: string[]): void => void execFileSync(command, args);

function emptyFile(path: string, size: number): string {
  writeFileSync(path, "");
  truncateSync(path, size);
  return path;
}

/** A disk made before the daemon starts, and what is seen on its directory `name` of the home. */
interface Fault {
  readonly name: string;
  readonly make: (sandbox: Sandbox, disk: string) => void;
  readonly check: (sandbox: Sandbox, data: string) => Promise<void>;
}

/** The loop device answers EIO to what lies behind the end of its file; what the image was is kept beside it. */
const unreadable: Fault = {
  name: "unreadable",
  make: (sandbox, disk) => {
    const content = join(sandbox.base, "content");
    mkdirSync(join(content, "unreadable"), { recursive: true });
    writeFileSync(join(content, "unreadable/big"), Buffer.alloc(24 * MIB, "x"));
    const image = emptyFile(join(sandbox.base, "image"), 64 * MIB);
    run("mkfs.ext4", "-q", "-O", "^has_journal", "-d", content, image);
    copyFileSync(image, join(sandbox.base, "whole"));
    run("mount", "-o", "loop,ro", image, disk);
  },
  check: async (sandbox, data) => {
    const image = join(sandbox.base, "image");
    const read = (at: number): string => `f = os.open("big", os.O_RDONLY); assert os.pread(f, 100, ${at}) == b"x" * 100`;
    truncateSync(image, 16 * MIB);
    expect(await outcome(sandbox, data, read(23 * MIB))).toBe("EIO");
    expect(await outcome(sandbox, data, read(0))).toBe("ok");
    expect((await sandbox.status()).entries.find((entry) => entry.target === data)?.stats?.errors).toBeGreaterThan(0);
    writeFileSync(image, readFileSync(join(sandbox.base, "whole")), { flag: "r+" });
    expect(await outcome(sandbox, data, read(23 * MIB))).toBe("ok");
  },
};

/** The file system has room, the disk below it has not: a thin volume, or a dying disk. Only fsync can tell. */
const thin: Fault = {
  name: "thin",
  make: (sandbox, disk) => {
    const below = join(sandbox.base, "below");
    mkdirSync(below);
    run("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", below);
    const image = emptyFile(join(below, "image"), 64 * MIB);
    run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image);
    run("mount", "-o", "loop", image, disk);
  },
  check: async (sandbox, data) => {
    const write = `
f = os.open("big", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
for n in range(24): os.pwrite(f, b"y" * ${MIB}, n * ${MIB})
os.fsync(f)`;
    expect(["EIO", "ENOSPC"]).toContain(await outcome(sandbox, data, write));
    run("mount", "-o", "remount,size=80m", join(sandbox.base, "below"));
    expect(await outcome(sandbox, data, write)).toBe("ok");
    expect(await outcome(sandbox, data, `assert open("big", "rb").read() == b"y" * ${24 * MIB}`)).toBe("ok");
  },
};

/** Exclusive: the kernel has taken what the storage will not. */
const small: Fault = {
  name: "small",
  make: (_, disk) => run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk),
  check: async (sandbox, data) => {
    const write = (end: string): string => `
f = os.open("big", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
try:
    for n in range(16): os.pwrite(f, b"y" * ${MIB}, n * ${MIB})
    ${end}
finally: os.truncate("big", 0)`;
    expect(await outcome(sandbox, data, write("os.fsync(f)"))).toBe("ENOSPC");
    expect(await outcome(sandbox, data, write("os.close(f)"))).toBe("ENOSPC");
    // What only a close was told the kernel tells the next fsync once more.
    const later = `
f = os.open("big", os.O_WRONLY); os.write(f, b"z" * ${MIB})
try: os.fsync(f)
except OSError: os.fsync(f)
assert open("big", "rb").read() == b"z" * ${MIB}`;
    expect(await outcome(sandbox, data, later)).toBe("ok");
  },
};

test.each(WAYS)("$name: a program hears of what a disk cannot read or take, and all is well when it can", { timeout: 120_000 }, (way) =>
  // FUSE_PASSTHROUGH would leave reads and writes to the kernel.
  withSandbox("disk", { env: { HMPERSIST_PASSTHROUGH: "0" } }, async (sandbox) => {
    const faults = [unreadable, thin, small];
    const storageOf = ({ name }: Fault): string => join(sandbox.base, `disk-${name}`);
    for (const fault of faults) {
      mkdirSync(storageOf(fault));
      fault.make(sandbox, storageOf(fault));
    }
    const entry = ({ name }: Fault): object => ({ directories: [{ directory: name, cache: way.cache }] });
    await mountAll(sandbox, way.engine, Object.fromEntries(faults.map((fault) => [storageOf(fault), entry(fault)])));
    for (const fault of faults) await fault.check(sandbox, join(sandbox.home, fault.name));
    expect((await sandbox.status()).server).toMatchObject({ restarts: 0 });
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);

const btrfs = spawnSync("mkfs.btrfs", ["--version"]).status === 0 && readFileSync("/proc/filesystems", "utf8").includes("btrfs");
if (!btrfs) process.stderr.write("skipped: quota, snapshots: it takes btrfs-progs and a kernel with btrfs\n");

function mountBtrfs(sandbox: Sandbox, disk: string): void {
  const image = emptyFile(join(sandbox.base, "image"), 160 * MIB);
  run("mkfs.btrfs", "-q", image);
  run("mount", "-o", "loop", image, disk);
}

test.skipIf(!btrfs)("an ordinary user over the quota gets EDQUOT, and no more when there is room again", { timeout: 60_000 }, () =>
  withSandbox("quota", { as: "user" }, async (sandbox) => {
    const disk = join(sandbox.base, "disk");
    mkdirSync(disk);
    mountBtrfs(sandbox, disk);
    run("btrfs", "-q", "quota", "enable", disk);
    const storage = join(disk, "own");
    run("btrfs", "-q", "subvolume", "create", storage);
    run("btrfs", "-q", "qgroup", "limit", "6M", storage);
    chownSync(storage, sandbox.uid, sandbox.uid);
    const data = await mountData(sandbox, storage, { engine: "kernel", cache: "shared" });
    const write = (mib: number): string => `
f = os.open("big", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
for n in range(${mib}): os.write(f, os.urandom(${MIB})); os.fsync(f)`;
    expect(await outcome(sandbox, data, write(12))).toBe("EDQUOT");
    run("btrfs", "-q", "qgroup", "limit", "none", storage);
    expect(await outcome(sandbox, data, write(12))).toBe("ok");
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);

test.skipIf(!btrfs)("a file of a hundred snapshots and more is read and written in each of them", { timeout: 60_000 }, () =>
  withSandbox("snapshots", {}, async (sandbox) => {
    const disk = join(sandbox.base, "disk");
    const snapshots = Array.from({ length: 120 }, (_, index) => `s${index}`);
    mkdirSync(disk);
    mountBtrfs(sandbox, disk);
    mkdirSync(join(disk, "data"));
    run("btrfs", "-q", "subvolume", "create", join(disk, "data/first"));
    writeFileSync(join(disk, "data/first/file"), "first");
    for (const name of snapshots) {
      run("btrfs", "-q", "subvolume", "snapshot", join(disk, "data/first"), join(disk, "data", name));
      writeFileSync(join(disk, "data", name, "file"), name);
    }
    const data = await mountData(sandbox, disk, { engine: "kernel", cache: "shared" });
    const all = `for name in ${JSON.stringify(snapshots)}:`;
    expect(await outcome(sandbox, data, `${all} assert open(name + "/file").read() == name`)).toBe("ok");
    expect(await outcome(sandbox, data, `${all} open(name + "/file", "a").write("!")`)).toBe("ok");
    for (const name of snapshots) expect(readFileSync(join(disk, "data", name, "file"), "utf8")).toBe(`${name}!`);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);
