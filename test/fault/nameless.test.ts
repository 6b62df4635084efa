// Files without a name that are open (deleted, replaced, O_TMPFILE) outlive their server, and their daemon; when they are closed nobody holds
// them any more.
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { expect, test } from "vitest";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { mountData } from "../helpers/faults.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

// Each round reads and changes the same nameless files and makes a few more, of which the last ones stay open. One line a round; it ends with
// the line that says "stop".
const PROGRAM = `
import ctypes, os, sys
os.chdir(sys.argv[1])
AT_SYMLINK_FOLLOW = 0x400
def put(fd, text): os.pwrite(fd, text, 0)
def has(fd, text, what):
    found = os.pread(fd, 100, 0)
    if found != text: raise Exception("%s holds %r, not %r" % (what, found, text))
def made(name, mode=0o600, flags=os.O_RDWR): return os.open(name, flags | os.O_CREAT | os.O_EXCL, mode)
files = {}
files["deleted"] = made("deleted"); os.unlink("deleted")
files["replaced"] = made("replaced"); made("replacing"); os.rename("replacing", "replaced")
files["tmpfile"] = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
files["closed to all"] = made("closed", 0o000); os.unlink("closed")
files["changed"] = made("changed"); os.chmod("changed", 0o400); os.unlink("changed")
files["unreadable"] = made("unreadable", 0o000)
files["one of two"] = made("one"); os.link("one", "two"); os.unlink("one"); os.unlink("two")
put(files["deleted"], b"start")
reader = os.open("/proc/self/fd/%d" % files["deleted"], os.O_RDONLY)
log = made("log", flags=os.O_WRONLY | os.O_APPEND); logged = os.open("log", os.O_RDONLY); os.unlink("log")
linked = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600); put(linked, b"linked")
recent, n = [], 0
print("ready", flush=True)
for line in sys.stdin:
    if line == "stop\\n": break
    n += 1
    for what, fd in files.items():
        text = b"%s %08d" % (what.encode(), n)
        if n > 1: has(fd, b"%s %08d" % (what.encode(), n - 1), what)
        put(fd, text); has(fd, text, what)
        if os.fstat(fd).st_nlink != (what == "unreadable"): raise Exception(what + " has a name")
        os.ftruncate(fd, len(text)); os.fsync(fd); os.fchmod(fd, os.fstat(fd).st_mode & 0o777)
    has(reader, b"deleted %08d" % n, "the reader")
    os.write(log, b"%02d." % n)
    if os.pread(logged, 1000, 0) != b"".join(b"%02d." % i for i in range(1, n + 1)): raise Exception("the log is wrong")
    fresh = made("fresh%d" % n); put(fresh, b"fresh %d" % n); os.unlink("fresh%d" % n)
    recent.append((n, fresh))
    for number, fd in recent: has(fd, b"fresh %d" % number, "a fresh one")
    if len(recent) > 3: os.close(recent.pop(0)[1])
    print(n, flush=True)
if ctypes.CDLL(None).linkat(-100, b"/proc/self/fd/%d" % linked, -100, b"linked", AT_SYMLINK_FOLLOW) != 0: raise Exception("no link")
if open("linked").read() != "linked": raise Exception("a linked file is empty")
os.unlink("linked")
`;

interface Program {
  /** One round more. */
  readonly round: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

async function start(sandbox: Sandbox, directory: string): Promise<Program> {
  const child: ChildProcess = sandbox.spawn("/usr/bin/python3", ["-c", PROGRAM, directory], {}, "pipe");
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const exit = once(child, "exit");
  const line = async (): Promise<void> => {
    const next = Promise.race([once(child.stdout ?? child, "data"), exit]);
    await deadline("a round of the program", 20_000, next, () => `${errors}\n${kernelStacks(child.pid ?? 0)}\n${sandbox.log()}`);
    expect(errors).toBe("");
  };
  await line();
  return {
    round: async () => {
      child.stdin?.write("on\n");
      await line();
    },
    stop: async () => {
      child.stdin?.write("stop\n");
      await deadline("the end of the program", 20_000, exit, () => kernelStacks(child.pid ?? 0));
      expect(errors).toBe("");
    },
  };
}

/** Deleted files of the storage that a process has open. */
function held(sandbox: Sandbox, pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  const targets = readdirSync(directory).flatMap((fd) => {
    try {
      return [readlinkSync(join(directory, fd))];
    } catch {
      return []; // closed meanwhile
    }
  });
  return targets.filter((target) => target.startsWith(sandbox.storage) && target.endsWith(" (deleted)"));
}

async function killServer(sandbox: Sandbox): Promise<void> {
  const { server } = await sandbox.statusUntil("a server", (report) => report.server !== null);
  process.kill(server?.pid ?? 0, "SIGKILL");
  await sandbox.statusUntil("another server", (report) => report.server !== null && report.server.pid !== server?.pid);
}

// Each is done by a server that dies of it before it answers.
const AT_ONCE = `
import os, sys
os.chdir(sys.argv[1])
def named(name): return os.open(name, os.O_CREAT | os.O_RDWR, 0o600)
def tmpfile(name):
    f = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    os.link("/proc/self/fd/%d" % f, name, src_dir_fd=os.open("/", 0), follow_symlinks=True)
    return f
def check(name, lose, make=named):
    f = make(name)
    os.write(f, b"content"); os.fsync(f)
    lose(name)
    os.posix_fadvise(f, 0, 0, os.POSIX_FADV_DONTNEED)
    if os.pread(f, 100, 0) != b"content" or os.fstat(f).st_nlink: raise Exception(name)
    os.pwrite(f, b"more", 7); os.fsync(f)
def replace(name): open("replacing", "w"); os.rename("replacing", name)
check("deleted", os.unlink)
check("replaced", replace)
check("linked", os.unlink, tmpfile)
`;

test.each(["shared", "exclusive"] as const)(
  "%s: a file that was written and is deleted or replaced outlives a server that dies of just that",
  { timeout: 60_000 },
  (cache) => {
    const HMPERSIST_FAILPOINT = ["UNLINK:deleted", "UNLINK:linked", "RENAME:replacing", "RENAME2:replacing"]
      .map((each) => `served:${each}`)
      .join();
    return withSandbox("nameless-at-once", { env: { HMPERSIST_FAILPOINT, HMPERSIST_PASSTHROUGH: "0" } }, async (sandbox) => {
      const data = await mountData(sandbox, sandbox.storage, { engine: "kernel", cache });
      expect(await sandbox.exec("/usr/bin/python3", ["-c", AT_ONCE, data])).toMatchObject({ code: 0, stderr: "" });
      const { server } = await sandbox.statusUntil("a server", (report) => report.server !== null);
      expect(server?.deaths).toBe(3);
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    });
  },
);

test.each([
  { cache: "shared", as: "root" },
  { cache: "exclusive", as: "root" },
  { cache: "shared", as: "user" },
  { cache: "exclusive", as: "user" },
] as const)("$cache, as $as: files without a name outlive servers and daemons", { timeout: 120_000 }, ({ cache, as }) =>
  withSandbox("nameless", { as }, async (sandbox) => {
    const directories = [{ directory: "data", cache }];
    sandbox.writeConfig({ home: sandbox.home, engine: "kernel", persistence: { [sandbox.storage]: { directories } } });
    expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
    const program = await start(sandbox, join(sandbox.home, "data"));
    await program.round();
    for (let kill = 0; kill < 2; kill += 1) {
      await killServer(sandbox);
      await program.round();
      await program.round();
    }
    const { daemon } = await sandbox.status();
    process.kill(daemon?.pid ?? 0, "SIGKILL");
    await program.round();
    expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
    await program.round();
    await killServer(sandbox);
    await program.round();
    const now = await sandbox.status();
    const pids = [now.daemon?.pid ?? 0, now.server?.pid ?? 0];
    expect(held(sandbox, pids[0] as number).length).toBeGreaterThan(5);
    await program.stop();
    const left = (): string[] => pids.flatMap((pid) => held(sandbox, pid));
    await until(
      "nobody holds a deleted file",
      20_000,
      () => left().length === 0,
      () => left().join("\n"),
    );
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);

// Has as many deleted files open as it can, and counts after a line those that are still there.
const MANY = `
import os, sys
os.chdir(sys.argv[1])
files = []
try:
    for n in range(1000): files.append(os.open("many%d" % n, os.O_CREAT | os.O_RDWR)); os.write(files[n], b"%d" % n)
except OSError: pass
for n in range(len(files)): os.unlink("many%d" % n)
print("ready", flush=True)
sys.stdin.readline()
def there(n):
    try: return os.pread(files[n], 9, 0) == b"%d" % n
    except OSError: return False
print(sum(map(there, range(len(files)))), flush=True)
`;

test("where few descriptors are allowed a server can be started beside the files that are kept for it", { timeout: 60_000 }, () =>
  withSandbox("nameless-many", { env: { HMPERSIST_PASSTHROUGH: "0" } }, async (sandbox) => {
    sandbox.writeConfig({ home: sandbox.home, engine: "kernel", persistence: { [sandbox.storage]: { directories: ["data"] } } });
    const mount = ["-c", 'ulimit -n 400; exec "$@"', "sh", process.execPath, sandbox.program, "mount", "--config", sandbox.configFile];
    expect(await sandbox.exec("sh", mount), sandbox.log()).toMatchObject({ code: 0 });
    const program = sandbox.spawn("python3", ["-c", MANY, join(sandbox.home, "data")], {}, "pipe");
    const ended = once(program, "exit");
    const line = async (): Promise<string> =>
      String(
        await deadline("a line", 20_000, once(program.stdout ?? program, "data"), () => kernelStacks(program.pid ?? 0) + sandbox.log()),
      );
    expect(await line()).toBe("ready\n");
    await killServer(sandbox);
    program.stdin?.write("\n");
    expect(Number(await line())).toBeGreaterThan(100);
    expect((await sandbox.status()).server).toMatchObject({ restarts: 1 });
    await ended;
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);
