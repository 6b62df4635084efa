// A server that has no descriptors left gives up the directories it keeps open before any program is told EMFILE, and nothing of it stays.
import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mountData, outcome, WAYS } from "../helpers/faults.ts";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { withSandbox } from "../helpers/sandbox.ts";

const DIRECTORIES = 300;

/** Leaves a process `free` descriptors more than it has, or takes some away from what it keeps open for speed. */
function limit(pid: number, free: number): void {
  softLimit(pid, readdirSync(`/proc/${pid}/fd`).length + free);
}

// The hard limit stays: not even root may raise it everywhere.
const softLimit = (pid: number, number: number): void => void execFileSync("prlimit", [`--nofile=${number}:`, "--pid", String(pid)]);

const MAKE = `
for n in range(${DIRECTORIES}):
    os.mkdir("d%d" % n)
    open("d%d/file" % n, "w").write(str(n))
`;
const READ_ALL = `
for n in range(${DIRECTORIES}):
    assert open("d%d/file" % n).read() == str(n)
    assert os.listdir("d%d" % n) == ["file"]
`;
// Holds files open until there is an error, syncs one nonetheless, closes them, and goes on.
const EXHAUST = `
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
held = []
try:
    while len(held) < 2000: held.append(os.open("held%d" % len(held), os.O_CREAT | os.O_RDWR))
    raise Exception("never exhausted")
except OSError as e:
    failure = e
assert len(held) >= 60, "only %d files" % len(held)
os.write(held[0], b"x" * 100000); os.fsync(held[0]); os.posix_fallocate(held[1], 0, 5000)
# Enough for a duplicate, too few for a thread.
os.close(held.pop()); os.close(held.pop()); os.fsync(held[0])
assert os.stat("d3/file").st_size == 1
for fd in held: os.close(fd)
open("after", "w").write("fine")
raise failure
`;

// An exclusive mount opens as many files, only later.
test.each(WAYS.filter((way) => way.name !== "kernel exclusive"))(
  "$name: EMFILE comes only when descriptors are really exhausted, and goes with its cause",
  { timeout: 120_000 },
  (way) =>
    withSandbox("emfile", {}, async (sandbox) => {
      const data = await mountData(sandbox, sandbox.storage, way);
      expect(await outcome(sandbox, data, MAKE)).toBe("ok");
      // The kernel engine keeps up to 256 directories open.
      const pid = (await sandbox.status()).server?.pid ?? 0;
      limit(pid, way.engine === "kernel" ? -150 : 80);
      expect(await outcome(sandbox, data, EXHAUST)).toBe("EMFILE");
      expect(await outcome(sandbox, data, READ_ALL)).toBe("ok");
      const { server } = await sandbox.status();
      expect(server).toMatchObject({ pid, restarts: 0 });
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    }),
);

test("a daemon without descriptors stays up; what it could not do it does when it has some", { timeout: 120_000 }, () =>
  withSandbox("emfile-daemon", {}, async (sandbox) => {
    const data = await mountData(sandbox, sandbox.storage, { engine: "kernel", cache: "shared" }, ["settings"]);
    const { daemon, server } = await sandbox.status();
    const [pid = 0, serverPid = 0] = [daemon?.pid, server?.pid];
    softLimit(pid, 3);
    // Whoever mounts anything on the machine has the daemon look at the mount table.
    const elsewhere = join(sandbox.base, "elsewhere");
    mkdirSync(elsewhere);
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", elsewhere]);
    await until("the daemon to find that it cannot look", 20_000, () => sandbox.log().includes("mount table not read"));
    // Nobody can be heard, which the caller is told soon enough; the mounts do not need the daemon.
    const unheard = await deadline("status", 20_000, sandbox.run(["status"]), () => kernelStacks(pid));
    expect(unheard.code).not.toBe(0);
    expect(await outcome(sandbox, data, `open("note", "w").write("kept")`)).toBe("ok");
    const settings = join(sandbox.home, "settings");
    rmSync(settings);
    writeFileSync(settings, "volume = 11");
    process.kill(serverPid, "SIGKILL");
    const reading = outcome(sandbox, data, `assert open("note").read() == "kept"`);
    await until("the daemon to find that it cannot start a server", 20_000, () => sandbox.log().includes("no server could be started"));
    softLimit(pid, 1024);
    expect(await deadline("the read", 20_000, reading, () => `${kernelStacks(pid)}${sandbox.log()}`)).toBe("ok");
    await until(
      "the link to be mended",
      60_000,
      () => lstatSync(settings).isSymbolicLink(),
      () => sandbox.log(),
    );
    expect(readFileSync(join(sandbox.storage, "settings"), "utf8")).toBe("volume = 11");
    expect((await sandbox.status()).daemon?.pid).toBe(pid);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);

test("who asks mounts whether they answer, and has no descriptor left to ask by, takes them for stuck", () => {
  const script = `
    import { openSync } from "node:fs";
    import { probeMounts } from ${JSON.stringify(new URL("../../dist/mount/probe.js", import.meta.url).href)};
    try { for (;;) openSync("/dev/null"); } catch {}
    const health = await probeMounts(["/tmp"]);
    process.stdout.write(health.get("/tmp"));`;
  const command = ["-c", 'ulimit -n 100 && exec "$@"', "bash", process.execPath, "--input-type=module", "-e", script];
  expect(execFileSync("bash", command, { encoding: "utf8" })).toBe("stuck");
});
