// A request that kills the server whenever it is run: its caller gets EIO after the second death, everybody else goes on, and there is no
// third. And one that kills it between doing and answering is done once, not twice.
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { expect, test } from "vitest";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { mountData, outcome } from "../helpers/faults.ts";
import { withHungStorage } from "../helpers/hung-storage.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

/** Two storages with a directory each: `one` and `two` in the home. */
async function mountTwo(sandbox: Sandbox): Promise<void> {
  const persistence = Object.fromEntries(["one", "two"].map((name) => [join(sandbox.storage, name), { directories: [name] }]));
  for (const path of Object.keys(persistence)) sandbox.ownDirectory(path);
  sandbox.writeConfig({ home: sandbox.home, engine: "kernel", persistence });
  expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
}

const deaths = async (sandbox: Sandbox): Promise<number> =>
  (await sandbox.statusUntil("a server", (report) => report.server !== null)).server?.deaths ?? -1;

const APPENDER = `
import os, sys, time
os.chdir(sys.argv[1])
fd = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
n = 0
while True:
    os.write(fd, b"%08d\\n" % n); os.stat("log"); os.listdir(".")
    n += 1
    print(n, flush=True)
    time.sleep(0.002)
`;

/** Appends numbered lines; `end` waits for another one and checks that each arrived once. */
function appender(sandbox: Sandbox, directory: string): { readonly end: () => Promise<void> } {
  const child: ChildProcess = sandbox.spawn("/usr/bin/python3", ["-c", APPENDER, join(sandbox.home, directory)]);
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  return {
    end: async () => {
      const next = once(child.stdout ?? child, "data");
      await deadline(`a line of the appender in ${directory}`, 20_000, next, () => errors + kernelStacks(child.pid ?? 0));
      child.kill("SIGTERM");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      expect(errors).toBe("");
      const written = readFileSync(join(sandbox.storage, directory, directory, "log"), "latin1")
        .trim()
        .split("\n")
        .map(Number);
      expect(written).toEqual(Array.from({ length: written.length }, (_, index) => index));
    },
  };
}

test("a poisoned request is EIO after two deaths, again and again, and everybody else goes on", { timeout: 120_000 }, () =>
  withSandbox("poison", { env: { HMPERSIST_FAILPOINT: "serve:LOOKUP:poison,serve:UNLINK:kept" } }, async (sandbox) => {
    await mountTwo(sandbox);
    writeFileSync(join(sandbox.storage, "one/one/kept"), "kept");
    const appenders = [appender(sandbox, "one"), appender(sandbox, "two")];
    expect(await outcome(sandbox, join(sandbox.home, "one"), `os.stat("poison")`)).toBe("EIO");
    expect(await deaths(sandbox)).toBe(2);
    expect(await outcome(sandbox, join(sandbox.home, "one"), `open("poison", "w")`)).toBe("EIO");
    expect(await deaths(sandbox)).toBe(4);
    expect(await outcome(sandbox, join(sandbox.home, "one"), `os.unlink("kept")`)).toBe("EIO");
    expect(await deaths(sandbox)).toBe(6);
    expect(await outcome(sandbox, join(sandbox.home, "one"), `assert open("kept").read() == "kept"`)).toBe("ok");
    for (const each of appenders) await each.end();
    expect((await sandbox.status()).server).toMatchObject({ deaths: 6, restarts: 6, lastDeath: "SIGKILL" });
    expect(await sandbox.run(["status"])).toMatchObject({ stdout: expect.stringContaining("died 6 times (last: SIGKILL)") });
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);

test("several poisoned requests at once, in two mounts, are at most two deaths each", { timeout: 120_000 }, () => {
  const names = ["a", "b"];
  const HMPERSIST_FAILPOINT = names.map((name) => `serve:LOOKUP:${name}`).join();
  return withSandbox("poisons", { env: { HMPERSIST_FAILPOINT } }, async (sandbox) => {
    await mountTwo(sandbox);
    const appenders = [appender(sandbox, "one"), appender(sandbox, "two")];
    const calls = ["one", "two"].flatMap((directory) =>
      names.map((name) => outcome(sandbox, join(sandbox.home, directory), `os.stat("${name}")`)),
    );
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 4 }, () => "EIO"));
    // One death may be that of two requests in two threads; a second death is of one.
    const died = await deaths(sandbox);
    expect(died).toBeLessThanOrEqual(8);
    expect(died).toBeGreaterThanOrEqual(5);
    for (const each of appenders) await each.end();
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  });
});

test("a request that makes the server run out of memory is EIO after two deaths", { timeout: 120_000 }, () =>
  withSandbox("starved", { env: { HMPERSIST_FAILPOINT: "starve:LOOKUP:poison" } }, async (sandbox) => {
    await mountTwo(sandbox);
    const appenders = [appender(sandbox, "one"), appender(sandbox, "two")];
    expect(await outcome(sandbox, join(sandbox.home, "one"), `os.stat("poison")`), sandbox.log()).toBe("EIO");
    expect(await deaths(sandbox)).toBe(2);
    for (const each of appenders) await each.end();
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);

test("where the kernel does not redeliver, what the server was doing when it died is EIO, and hangs nobody", { timeout: 120_000 }, () =>
  withSandbox(
    "old-kernel",
    { env: { HMPERSIST_FAILPOINT: "serve:RESEND,serve:LOOKUP:poison,serve:WRITE:poison,read:LOOKUP:barely", HMPERSIST_PASSTHROUGH: "0" } },
    async (sandbox) => {
      await mountTwo(sandbox);
      expect(await outcome(sandbox, join(sandbox.home, "one"), `os.stat("poison")`)).toBe("EIO");
      expect(await outcome(sandbox, join(sandbox.home, "one"), `os.write(os.open("file", os.O_WRONLY | os.O_CREAT), b"poison")`)).toBe(
        "EIO",
      );
      expect(await outcome(sandbox, join(sandbox.home, "one"), `os.stat("barely")`)).toBe("EIO");
      expect(await deaths(sandbox)).toBe(3);
      expect(sandbox.log()).toContain("does not redeliver");
      expect(await outcome(sandbox, join(sandbox.home, "one"), `open("file", "w").write("content")`)).toBe("ok");
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    },
  ),
);

/** Opens 200 files, waits for a line, and syncs all of them at once; then prints what that gave. */
const SYNCERS = `
import errno, os, sys, threading
os.chdir(sys.argv[1])
files = [os.open(str(n), os.O_CREAT | os.O_WRONLY) for n in range(200)]
said = set()
def sync(file):
    try: os.fsync(file); said.add("done")
    except OSError as e: said.add(errno.errorcode[e.errno])
threads = [threading.Thread(target=sync, args=(file,)) for file in files]
print("open", flush=True)
sys.stdin.readline()
for each in threads: each.start()
for each in threads: each.join()
print(*sorted(said), flush=True)
`;

/** renameat2(AT_FDCWD, "here", AT_FDCWD, "there", RENAME_EXCHANGE) */
const EXCHANGE = `import ctypes; assert ctypes.CDLL(None).renameat2(-100, b"here", -100, b"there", 2) == 0`;

/** Likewise with RENAME_WHITEOUT. */
const WHITEOUT = `import ctypes; assert ctypes.CDLL(None).renameat2(-100, b"lower", -100, b"upper", 4) == 0`;

/** What is done, and what must be true afterwards; each kills the server once, when it is done and not answered. */
const CHANGES: Record<string, readonly [call: string, then: string]> = {
  "UNLINK:unlink": [`open("unlink", "w"); os.unlink("unlink")`, `assert not os.path.exists("unlink")`],
  "RMDIR:rmdir": [`os.mkdir("rmdir"); os.rmdir("rmdir")`, `assert not os.path.exists("rmdir")`],
  "MKDIR:mkdir": [`os.mkdir("mkdir")`, `assert os.listdir("mkdir") == []`],
  "SYMLINK:symlink": [`os.symlink("to", "symlink")`, `assert os.readlink("symlink") == "to"`],
  "LINK:link": [`open("linked", "w"); os.link("linked", "link")`, `assert os.stat("link").st_nlink == 2`],
  "MKNOD:fifo": [`os.mkfifo("fifo")`, `import stat; assert stat.S_ISFIFO(os.stat("fifo").st_mode)`],
  "CREATE:create": [
    `f = os.open("create", os.O_CREAT | os.O_EXCL | os.O_WRONLY); os.write(f, b"x"); os.close(f)`,
    `assert open("create").read() == "x"`,
  ],
  "CREATE:read-only": [
    `f = os.open("read-only", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444); os.write(f, b"x"); os.close(f)`,
    `assert open("read-only").read() == "x" and os.stat("read-only").st_mode & 0o777 == 0o444`,
  ],
  "CREATE:closed": [
    `f = os.open("closed", os.O_CREAT | os.O_RDWR, 0o000); os.write(f, b"x"); os.close(f)`,
    `os.chmod("closed", 0o600); assert open("closed").read() == "x"`,
  ],
  "RENAME2:from": [
    `f = open("from", "w"); os.rename("from", "to"); f.write("later"); f.close()`,
    `assert open("to").read() == "later" and not os.path.exists("from")`,
  ],
  "RENAME2:here": [
    `open("here", "w").write("h"); open("there", "w").write("t"); f = open("here")\n${EXCHANGE}\nassert f.read() == "h"`,
    `assert open("here").read() == "t" and open("there").read() == "h"`,
  ],
  "RENAME2:lower": [
    `f = open("lower", "w"); f.write("precious"); f.flush()\n${WHITEOUT}\nf.write("!"); f.close()`,
    `import stat; assert open("upper").read() == "precious!" and stat.S_ISCHR(os.stat("lower").st_mode)`,
  ],
  "SETXATTR:": [`open("x", "w"); os.setxattr("x", "user.a", b"1", os.XATTR_CREATE)`, `assert os.getxattr("x", "user.a") == b"1"`],
  "REMOVEXATTR:user.a": [`os.removexattr("x", "user.a")`, `assert os.listxattr("x") == []`],
  "WRITE:append": [
    `f = os.open("log", os.O_CREAT | os.O_WRONLY | os.O_APPEND); os.write(f, b"1,"); os.write(f, b"append,"); os.write(f, b"3")`,
    `assert open("log").read() == "1,append,3", open("log").read()`,
  ],
};

test.each([
  { cache: "shared", as: "root" },
  { cache: "exclusive", as: "root" },
  { cache: "shared", as: "user" },
  { cache: "exclusive", as: "user" },
] as const)("$cache, as $as: what was done and not answered is done once", { timeout: 180_000 }, ({ cache, as }) => {
  const HMPERSIST_FAILPOINT = Object.keys(CHANGES)
    .map((each) => `served:${each}`)
    .concat("served:RENAME:from") // without flags the kernel may use the older opcode
    .join();
  return withSandbox("done-once", { as, env: { HMPERSIST_FAILPOINT, HMPERSIST_PASSTHROUGH: "0" } }, async (sandbox) => {
    const persistence = { [sandbox.storage]: { directories: [{ directory: "data", cache }] } };
    sandbox.writeConfig({ home: sandbox.home, engine: "kernel", persistence });
    expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
    for (const [change, [call, then]] of Object.entries(CHANGES)) {
      expect(await outcome(sandbox, join(sandbox.home, "data"), `${call}\n${then}`), change).toBe("ok");
    }
    // With the writeback cache the kernel appends by itself, and writes pages.
    expect(await deaths(sandbox)).toBe(Object.keys(CHANGES).length - (cache === "exclusive" ? 1 : 0));
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    expect(statSync(join(sandbox.storage, "data/mkdir")).isDirectory()).toBe(true);
    expect(existsSync(join(sandbox.storage, "data/unlink"))).toBe(false);
  });
});

test("where the kernel does not redeliver, nobody of two hundred hangs who waited for a storage", { timeout: 120_000 }, () =>
  withSandbox("old-kernel-lanes", { env: { HMPERSIST_FAILPOINT: "serve:RESEND" } }, async (sandbox) => {
    mkdirSync(join(sandbox.base, "real/data"), { recursive: true });
    await withHungStorage(join(sandbox.base, "real"), async (storage) => {
      const data = await mountData(sandbox, storage.path, { engine: "kernel", cache: "shared" });
      const { server } = await sandbox.status();
      const syncers = sandbox.spawn("python3", ["-c", SYNCERS, data], {}, "pipe");
      const ended = once(syncers, "exit");
      const tasks = `/proc/${syncers.pid}/task`;
      const waiting = (): number =>
        readdirSync(tasks).filter((tid) => readFileSync(`${tasks}/${tid}/wchan`, "latin1") === "request_wait_answer").length;
      const stacks = (): string => kernelStacks(syncers.pid ?? 0);
      const line = async (): Promise<string> => String(await deadline("a line", 30_000, once(syncers.stdout ?? syncers, "data"), stacks));
      expect(await line()).toBe("open\n");
      storage.hang();
      try {
        syncers.stdin?.write("\n");
        await until("200 to wait", 30_000, () => waiting() === 200, stacks);
        process.kill(server?.pid ?? 0, "SIGKILL");
      } finally {
        storage.answer();
      }
      // What no server had read yet is done.
      expect(["EIO\n", "EIO done\n"]).toContain(await line());
      await ended;
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    });
  }),
);
