// Processes that are stopped and go on, as by a suspend: what was asked meanwhile completes, nobody is killed or replaced for it, and
// `status` says who is stopped.
import { once } from "node:events";
import { lstatSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { mountData, outcome, WAYS } from "../helpers/faults.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

const ANSWER_MS = 20_000;
const APPEND = `f = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND); os.write(f, b"line\\n"); os.fsync(f); os.listdir(".")`;

/** Runs `body` while `pids` are stopped. */
async function whileStopped(pids: readonly number[], body: () => Promise<void>): Promise<void> {
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  try {
    await body();
  } finally {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }
}

const log = (sandbox: Sandbox): string => readFileSync(join(sandbox.storage, "data/log"), "utf8");

// What the kernel caches makes no difference here.
test.each(WAYS.filter((way) => way.name !== "kernel shared"))(
  "$name: server, daemon and both are stopped and go on",
  { timeout: 120_000 },
  (way) =>
    withSandbox("stopped", {}, async (sandbox) => {
      const data = await mountData(sandbox, sandbox.storage, way, ["settings"]);
      const settings = join(sandbox.home, "settings");
      expect(await outcome(sandbox, sandbox.home, `open("settings", "w").write("volume = 10")`)).toBe("ok");
      const before = await sandbox.status();
      const [server = 0, daemon = 0] = [before.server?.pid, before.daemon?.pid];
      expect(await outcome(sandbox, data, APPEND)).toBe("ok");

      let waiting: Promise<string> = Promise.resolve("");
      await whileStopped([server], async () => {
        waiting = outcome(sandbox, data, APPEND);
        const report = await deadline("status with a stopped server", ANSWER_MS, sandbox.status(), () => kernelStacks(daemon));
        expect(report.problems).toContain(`the server was stopped, and every mount waits for it; kill -CONT ${server}`);
        expect(await sandbox.run(["status"])).toMatchObject({ code: 7 });
      });
      expect(await deadline("an append", ANSWER_MS, waiting, () => kernelStacks(server))).toBe("ok");

      await whileStopped([daemon], async () => {
        expect(await outcome(sandbox, data, APPEND)).toBe("ok");
        const ran = await deadline("status with a stopped daemon", ANSWER_MS, sandbox.run(["status"]), () => kernelStacks(daemon));
        expect(ran.code).toBe(1);
        expect(ran.stderr).toContain(`the daemon (pid ${daemon}) was stopped`);
        expect(ran.stderr).toContain(`kill -CONT ${daemon}`);
        rmSync(settings);
        writeFileSync(settings, "volume = 11");
      });
      await until("the link to be mended", ANSWER_MS, () => lstatSync(settings, { throwIfNoEntry: false })?.isSymbolicLink() === true);
      expect(readFileSync(join(sandbox.storage, "settings"), "utf8")).toBe("volume = 11");

      await whileStopped([server, daemon], async () => {
        waiting = outcome(sandbox, data, APPEND);
        // Long enough for the program to be at it.
        await new Promise((resolve) => setTimeout(resolve, 300));
      });
      expect(await deadline("an append", ANSWER_MS, waiting, () => kernelStacks(server))).toBe("ok");
      const after = await sandbox.status();
      expect([after.server, after.daemon?.pid]).toEqual([before.server, daemon]);
      expect(log(sandbox)).toBe("line\n".repeat(4));
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    }),
);

test("what was asked of a stopped daemon is not done once nobody waits for it any more", { timeout: 60_000 }, () =>
  withSandbox("abandoned", {}, async (sandbox) => {
    await mountData(sandbox, sandbox.storage, { engine: "kernel", cache: "shared" });
    const daemon = (await sandbox.status()).daemon?.pid ?? 0;
    await whileStopped([daemon], async () => {
      const asking = connect(join(sandbox.base, "run/hmpersist/control.sock"));
      await deadline("a connection", ANSWER_MS, once(asking, "connect"));
      await new Promise((resolve) => asking.write('{"command":"unmount","lazy":false}\n', resolve));
      asking.destroy();
    });
    // Its turn comes after whatever was asked before.
    expect(await sandbox.run(["plan"])).toMatchObject({ code: 0 });
    const after = await sandbox.status();
    expect([after.daemon?.pid, after.entries.map(({ state }) => state)]).toEqual([daemon, ["mounted"]]);
    // Who only has no more to ask is answered.
    const half = connect({ path: join(sandbox.base, "run/hmpersist/control.sock"), allowHalfOpen: true });
    half.end('{"command":"unmount","lazy":false}\n');
    const [answer] = (await deadline("an answer", ANSWER_MS, once(half, "data"))) as [Buffer];
    half.destroy();
    expect(JSON.parse(answer.toString())).toMatchObject({ ok: true, result: { busy: {} } });
  }),
);

test("programs on a storage that goes by fits and starts complete", { timeout: 60_000 }, () =>
  withSandbox("pulses", {}, async (sandbox) => {
    const real = join(sandbox.base, "real");
    const slow = join(sandbox.base, "slow");
    for (const directory of [real, slow]) sandbox.ownDirectory(directory);
    const below = sandbox.spawn("bindfs", ["-f", real, slow]);
    await until("bindfs to mount", ANSWER_MS, () => readFileSync("/proc/self/mountinfo", "latin1").includes(` ${slow} `));
    const data = await mountData(sandbox, slow, { engine: "kernel", cache: "shared" });
    const work = `
for n in range(20):
    with open("f%d" % n, "wb") as f: f.write(b"x" * 300000); f.flush(); os.fsync(f.fileno())
    a = os.open("f%d" % n, os.O_RDONLY); b = os.open("g%d" % n, os.O_CREAT | os.O_WRONLY)
    left = 300000
    while left > 0: left -= os.copy_file_range(a, b, left)
    os.close(a); os.close(b)
    assert open("g%d" % n, "rb").read() == b"x" * 300000
    os.rename("g%d" % n, "h"); os.unlink("h")
    print(n, flush=True)`;
    const child = sandbox.spawn("sh", ["-c", 'cd "$1" && exec python3 -c "import os$2"', "sh", data, work]);
    let said = "";
    child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const ended = once(child, "exit");
    // A pulse for every second step it takes.
    for (let step = 0; step < 18; step += 2) {
      await until(`step ${step}`, ANSWER_MS, () => said.includes(`${step}\n`) || child.exitCode !== null);
      below.kill("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 100));
      below.kill("SIGCONT");
    }
    expect(await deadline("the work", ANSWER_MS, ended, () => kernelStacks(child.pid ?? 0))).toEqual([0, null]);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);
