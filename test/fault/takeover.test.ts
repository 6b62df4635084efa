// A server may die, a daemon may die: whoever has a file open, a database, or a working directory inside a mount sees nothing of it.
import { execFileSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { makeRepository } from "../helpers/repository.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

const KILLS = Number(process.env["HMPERSIST_KILLS"] ?? 10);

async function mountOne(sandbox: Sandbox, cache: "shared" | "exclusive"): Promise<string> {
  const directories = [{ directory: "data", cache }];
  sandbox.writeConfig({ home: sandbox.home, engine: "kernel", persistence: { [sandbox.storage]: { directories } } });
  expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
  return join(sandbox.home, "data");
}

/** Lines of a child's output, as they come. */
function lines(child: ChildProcess): { readonly all: string[]; next(): Promise<void> } {
  const all: string[] = [];
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => all.push(...chunk.split("\n").filter((line) => line !== "")));
  const next = async (): Promise<void> => {
    const dump = (): string =>
      `last lines: ${all.slice(-3).join(" | ")}\nexit ${child.exitCode} ${child.signalCode}\n${kernelStacks(child.pid ?? 0)}`;
    await deadline("another line of the program", 20_000, once(child.stdout ?? child, "data"), dump);
  };
  return { all, next };
}

async function killServer(sandbox: Sandbox): Promise<void> {
  const before = await sandbox.statusUntil("a server", (report) => report.server !== null);
  process.kill(before.server?.pid ?? 0, "SIGKILL");
  await sandbox.statusUntil("another server", (report) => report.server !== null && report.server.pid !== before.server?.pid);
}

// Each says "n" after the nth acknowledged step, and ends with "error ..." on the first failure.
const APPENDER = `
import os, sys, time
fd = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
n = 0
while True:
    try:
        os.write(fd, b"%08d\\n" % n)
        if n % 10 == 0: os.fsync(fd)
    except OSError as e:
        print("error", e, flush=True); sys.exit(1)
    n += 1
    print(n, flush=True)
    time.sleep(0.002)
`;
const DATABASE = `
import sqlite3, sys, time
db = sqlite3.connect("base.db", timeout=20)
db.execute("pragma journal_mode=wal"); db.execute("create table if not exists t (n integer)"); db.commit()
n = 0
while True:
    try:
        db.execute("insert into t values (?)", (n,)); db.commit()
        if db.execute("select count(*) from t").fetchone()[0] != n + 1: raise Exception("rows are missing")
    except Exception as e:
        print("error", repr(e), flush=True); sys.exit(1)
    n += 1
    print(n, flush=True)
    time.sleep(0.002)
`;
const STANDING_INSIDE = `
import os, sys, time
os.makedirs("deep/er", exist_ok=True); os.chdir("deep/er")
n = 0
while True:
    try:
        with open("file", "w") as f: f.write(str(n))
        if open("file").read() != str(n): raise Exception("stale content")
        os.rename("file", "file2"); os.unlink("file2"); os.listdir(".")
        if not os.getcwd().endswith("deep/er"): raise Exception("cwd is " + os.getcwd())
    except Exception as e:
        print("error", repr(e), flush=True); sys.exit(1)
    n += 1
    print(n, flush=True)
    time.sleep(0.002)
`;

// Created read-only: nobody could open it for writing a second time.
const READ_ONLY = `
import mmap, os, sys, time
fd = os.open("read-only", os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o444)
page = mmap.mmap(-1, 4096)
n = 0
while True:
    try:
        text = b"%08d" % n
        page[:8] = text
        os.pwrite(fd, page, 0)
        if os.preadv(fd, [page], 0) != 4096 or page[:8] != text: raise Exception("read something else")
        if os.fstat(fd).st_mode & 0o777 != 0o444: raise Exception("mode %o" % os.fstat(fd).st_mode)
    except Exception as e:
        print("error", repr(e), flush=True); sys.exit(1)
    n += 1
    print(n, flush=True)
    time.sleep(0.002)
`;

// Clones, checks what it got and removes it, until it is told to stop, which it does between two clones.
const CLONER = `
import os, signal, subprocess, sys
origin, n, stop = sys.argv[1], 0, []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
git = lambda *args: subprocess.run(["git", *args], check=True, capture_output=True, text=True, start_new_session=True).stdout
while not stop:
    try:
        git("clone", "-q", "--no-local", "file://" + origin, "clone")
        git("-C", "clone", "fsck", "--full", "--strict")
        if git("-C", "clone", "status", "--porcelain") != "": raise Exception("the clone is not what was committed")
        subprocess.run(["rm", "-r", "clone"], check=True, capture_output=True, text=True)
    except Exception as e:
        print("error", repr(e), getattr(e, "stderr", ""), flush=True); sys.exit(1)
    n += 1
    print(n, flush=True)
`;

test.each([
  { cache: "shared", as: "root" },
  { cache: "exclusive", as: "root" },
  { cache: "exclusive", as: "user" },
] as const)(`$cache, as $as: ${KILLS} kills of the server go unseen by programs at work`, { timeout: 600_000 }, ({ cache, as }) =>
  withSandbox("kills", { as }, async (sandbox) => {
    const origin = makeRepository(join(sandbox.base, "origin"), 300);
    execFileSync("chown", ["-R", String(sandbox.uid), origin]);
    const mountpoint = await mountOne(sandbox, cache);
    const start = (program: string): ChildProcess =>
      sandbox.spawn("sh", ["-c", 'cd "$1" && exec python3 -c "$2" "$3"', "sh", mountpoint, program, origin]);
    const children = [APPENDER, DATABASE, STANDING_INSIDE, READ_ONLY, CLONER].map(start);
    const outputs = children.map(lines);
    const steady = outputs.slice(0, -1); // a clone lasts longer than a server
    for (const output of steady) await output.next();
    for (let kill = 0; kill < KILLS; kill += 1) {
      await killServer(sandbox);
      for (const output of steady) await output.next();
    }
    expect((await sandbox.status()).server).toMatchObject({ deaths: KILLS, lastDeath: "SIGKILL" });
    for (const child of children) child.kill("SIGTERM");
    const ends = children.map(async (child) => child.exitCode ?? child.signalCode ?? (await once(child, "exit")));
    const stacks = (): string => children.map((child) => kernelStacks(child.pid ?? 0)).join("\n");
    await deadline("the end of the programs", 60_000, Promise.all(ends), stacks);
    for (const output of outputs) expect(output.all.filter((line) => line.startsWith("error"))).toEqual([]);
    expect(outputs.at(-1)?.all).not.toEqual([]);
    const acknowledged = Number(outputs[0]?.all.filter((line) => /^\d+$/.test(line)).at(-1));
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    const written = readFileSync(join(sandbox.storage, "data/log"), "latin1").trim().split("\n").map(Number);
    expect(written.length).toBeGreaterThanOrEqual(acknowledged);
    expect(written).toEqual(Array.from({ length: written.length }, (_, index) => index));
  }),
);

test("a killed daemon: its server goes on, the next daemon takes the mounts over, an appender sees nothing", { timeout: 120_000 }, () =>
  withSandbox("kill-daemon", {}, async (sandbox) => {
    const mountpoint = await mountOne(sandbox, "shared");
    const [mount] = sandbox.mounts();
    const child = sandbox.spawn("sh", ["-c", 'cd "$1" && exec python3 -c "$2"', "sh", mountpoint, APPENDER]);
    const output = lines(child);
    await output.next();
    for (let round = 0; round < 3; round += 1) {
      const { daemon, server } = await sandbox.status();
      process.kill(daemon?.pid ?? 0, "SIGKILL");
      await output.next();
      expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
      await output.next();
      expect(sandbox.mounts()).toEqual([mount]);
      await until(
        "end of the old server",
        10_000,
        () => !existsSync(`/proc/${server?.pid}`),
        () => kernelStacks(server?.pid ?? 0),
      );
    }
    child.kill("SIGTERM");
    await once(child, "exit");
    expect(output.all.filter((line) => line.startsWith("error"))).toEqual([]);
  }),
);

test("a mount that was detached while busy, and mounted anew, ends with its server instead of hanging", { timeout: 120_000 }, () =>
  withSandbox("detached", {}, async (sandbox) => {
    const mountpoint = await mountOne(sandbox, "shared");
    const script = `import errno, os, sys
os.chdir(sys.argv[1]); print("ready", flush=True); sys.stdin.readline()
try: print(open("file", "w").write("text"))
except OSError as e: print(errno.errorcode[e.errno], flush=True)`;
    const child = sandbox.spawn("python3", ["-c", script, mountpoint], {}, "pipe");
    const output = lines(child);
    await output.next();
    expect(await sandbox.run(["unmount", "--lazy", mountpoint])).toMatchObject({ code: 0 });
    expect(await sandbox.run(["apply"])).toMatchObject({ code: 0 });
    await killServer(sandbox);
    child.stdin?.write("go on\n");
    await output.next();
    expect(output.all).toEqual(["ready", "ENOTCONN"]);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);

test("a successor that is killed before it serves is followed by one that serves each mount once", { timeout: 60_000 }, async () => {
  await withSandbox("successor", {}, async (sandbox) => {
    await mountOne(sandbox, "shared");
    const { daemon, server } = await sandbox.statusUntil("a server", (report) => report.server !== null);
    const children = (): number[] =>
      readFileSync(`/proc/${daemon?.pid}/task/${daemon?.pid}/children`, "utf8").trim().split(" ").map(Number);
    let successor: number | undefined;
    process.kill(server?.pid ?? 0, "SIGKILL");
    await until("a successor", 20_000, () => (successor = children().find((pid) => pid > 0 && pid !== server?.pid)) !== undefined);
    process.kill(successor ?? 0, "SIGKILL");
    const wanted = (pid: number | undefined): boolean => pid !== undefined && pid !== server?.pid && pid !== successor;
    const after = await sandbox.statusUntil(
      "the next one",
      ({ server: next, entries }) => wanted(next?.pid) && entries[0]?.stats !== undefined,
    );
    // Whatever was still planned because of the first death has happened by then.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const files = readdirSync(`/proc/${after.server?.pid}/fd`).map((fd) => linkOf(`/proc/${after.server?.pid}/fd/${fd}`));
    expect(files.filter((path) => path === join(sandbox.storage, "data"))).toHaveLength(1);
    expect((await sandbox.status()).server).toMatchObject({ pid: after.server?.pid, restarts: 2 });
  });
});

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

test("a change from outside that leaves size and mtime as they were is seen after a takeover, too", { timeout: 60_000 }, () =>
  withSandbox("takeover-unseen", { env: { HMPERSIST_PASSTHROUGH: "0" } }, async (sandbox) => {
    const data = await mountOne(sandbox, "shared");
    const file = join(sandbox.storage, "data/file");
    const read = async (): Promise<string> => (await sandbox.exec("sh", ["-c", 'head -c 3 "$1"', "sh", join(data, "file")])).stdout;
    const change = (text: string): void => {
      const time = new Date(1_000_000_000_000);
      writeFileSync(file, text.padEnd(100_000), { flag: existsSync(file) ? "r+" : "w" });
      utimesSync(file, time, time);
    };
    change("old");
    expect(await read()).toBe("old");
    change("new");
    await killServer(sandbox);
    expect(await read()).toBe("new");
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);

// Opens a file of the lower layer, whose directory and itself are then copied to the upper one, and goes on with it after a line.
const COPIED_UP = `
import os, sys
os.chdir(sys.argv[1])
f = os.open("file", os.O_RDWR)
os.pwrite(f, b"new", 0)
print("written", flush=True)
sys.stdin.readline()
os.pwrite(f, b"er", 3)
print(open("file").read(), flush=True)
`;

test("on an overlay a directory and a file that were copied to the upper layer are taken over as the same", { timeout: 60_000 }, () =>
  withSandbox("takeover-overlay", { env: { HMPERSIST_PASSTHROUGH: "0" } }, async (sandbox) => {
    const layers = join(sandbox.base, "layers");
    mkdirSync(layers);
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", layers]);
    const [lower, upper, work] = ["lower", "upper", "work"].map((name) => join(layers, name)) as [string, string, string];
    for (const path of [join(lower, "data"), upper, work]) mkdirSync(path, { recursive: true });
    writeFileSync(join(lower, "data/file"), "older");
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    execFileSync("mount", ["-t", "overlay", "-o", options, "overlay", sandbox.storage]);
    const data = await mountOne(sandbox, "shared");
    const program = sandbox.spawn("python3", ["-c", COPIED_UP, data], {}, "pipe");
    const output = lines(program);
    await output.next();
    await killServer(sandbox);
    program.stdin?.write("\n");
    await output.next();
    expect(output.all).toEqual(["written", "newer"]);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);
