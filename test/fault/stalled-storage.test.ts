// A storage that is stopped dead (a bindfs underneath it gets SIGSTOP) stalls itself and nothing else: the other storage keeps its
// latency, `status` answers, and when it goes on everything that waited completes.
import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { deadline, until } from "../helpers/deadline.ts";
import { startMount, type Mounted } from "../helpers/mounted.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { median } from "../bench/statistics.ts";

let sandbox: Sandbox | undefined;
let below: Mounted | undefined;
const children: ChildProcess[] = [];

afterEach(async () => {
  below?.signal("SIGCONT");
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await sandbox?.dispose();
  await below?.dispose();
  sandbox = below = undefined;
});

// Says the milliseconds of each of 200 rounds of work in a directory.
const WORK = `import os, sys, time
os.chdir(sys.argv[1])
for n in range(200):
    t = time.monotonic()
    with open("f%d" % n, "w") as f: f.write("x" * 5000)
    os.stat("f%d" % n); os.listdir("."); open("f%d" % n).read(); os.rename("f%d" % n, "g"); os.unlink("g")
    print((time.monotonic() - t) * 1000)
`;
const APPEND = `import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(fd, sys.argv[2].encode()); os.fsync(fd)
print("done")
`;

const python = (program: string, ...args: string[]): { child: ChildProcess; output: Promise<string> } => {
  const child = spawn("/usr/bin/python3", ["-c", program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { child, output: new Promise((resolve) => child.on("close", () => resolve(text))) };
};

async function latency(directory: string): Promise<number> {
  const { output } = python(WORK, directory);
  const times = (await deadline(`work in ${directory}`, 60_000, output)).trim().split("\n").map(Number);
  expect(times).toHaveLength(200);
  return median(times);
}

test(
  "a storage that stands still stalls neither the other storage nor status, and completes when it goes on",
  { timeout: 180_000 },
  async () => {
    sandbox = new Sandbox("stalled");
    const { home, base } = sandbox;
    const real = join(base, "real");
    mkdirSync(join(real, "slow"), { recursive: true });
    chmodSync(real, 0o700);
    writeFileSync(join(real, "slow/cold"), "cold content");
    below = await startMount({ engine: "bindfs", source: real });
    const other = join(sandbox.storage, "b");
    mkdirSync(join(other, "fast"), { recursive: true });
    sandbox.writeConfig({
      home,
      persistence: { [below.mountpoint]: { directories: ["slow"] }, [other]: { directories: ["fast"] } },
    });
    sandbox.daemon();
    await until(
      "both mounts",
      30_000,
      () => sandbox?.mounts().length === 2,
      () => sandbox?.log() ?? "",
    );
    await sandbox.statusUntil(
      "both served",
      (report) => report.entries.length > 0 && report.entries.every((entry) => entry.state === "mounted"),
    );

    const before = await latency(join(home, "fast"));
    below.signal("SIGSTOP");
    const waiting = Array.from({ length: 4 }, (_, n) => python(APPEND, join(home, "slow/log"), `line ${n}\n`));
    const reading = python(`import sys\nprint(open(sys.argv[1]).read())`, join(home, "slow/cold"));
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const { child } of waiting) expect(child.exitCode, "an append was done although the storage stands still").toBeNull();

    const stalled = await latency(join(home, "fast"));
    // Generous, since the machine is shared; a stall would be the deadline.
    expect(stalled).toBeLessThan(10 * before + 20);
    // The command waits 1.8 s for the daemon and then fails: an answer is one in time.
    expect((await sandbox.status()).entries).toHaveLength(2);

    below.signal("SIGCONT");
    for (const { output } of waiting) expect(await deadline("an append", 30_000, output, below.stacks)).toBe("done\n");
    expect(await deadline("a read", 30_000, reading.output, below.stacks)).toBe("cold content\n");
    expect(readFileSync(join(real, "slow/log"), "utf8").split("\n").sort()).toEqual(["", "line 0", "line 1", "line 2", "line 3"]);
  },
);
