// With the writeback cache the kernel holds what was written, for a while, and the server knows nothing of it. Whoever ends meanwhile, what
// was acknowledged by fsync is in storage, and what was only written gets there.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { expect, test } from "vitest";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

// Writes the first 500 kB and syncs them, writes as much again, and stays with the file open until it is told to end.
const WRITER = `
import os, sys
os.chdir(sys.argv[1])
fd = os.open("file", os.O_RDWR | os.O_CREAT)
for n in range(100): os.pwrite(fd, b"%05d" % n * 1000, n * 5000)
os.fsync(fd)
for n in range(100, 200): os.pwrite(fd, b"%05d" % n * 1000, n * 5000)
print("written", flush=True)
sys.stdin.readline()
os.close(fd)
`;

interface Writing {
  readonly sandbox: Sandbox;
  readonly child: ChildProcess;
  /** Expects the blocks of 5 kB from 0 on to be in storage, read there. */
  readonly expectStored: (blocks: number) => void;
}

/** A writer that has written 200 blocks and synced 100, with the writeback cache, as an ordinary user. */
const whileWriting = (body: (writing: Writing) => Promise<void>): Promise<void> =>
  withSandbox("written-back", { as: "user" }, async (sandbox) => {
    const directories = [{ directory: "data", cache: "exclusive" }];
    sandbox.writeConfig({ home: sandbox.home, engine: "kernel", persistence: { [sandbox.storage]: { directories } } });
    expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
    const child = sandbox.spawn("/usr/bin/python3", ["-c", WRITER, join(sandbox.home, "data")], {}, "pipe");
    const written = once(child.stdout ?? child, "data");
    await deadline("the writer", 20_000, written, () => kernelStacks(child.pid ?? 0) + sandbox.log());
    const stored = (blocks: number): boolean => {
      const text = readFileSync(join(sandbox.storage, "data/file"), "latin1");
      return Array.from({ length: blocks }, (_, n) => String(n).padStart(5, "0").repeat(1000)).every((block, n) =>
        text.startsWith(block, n * 5_000),
      );
    };
    await body({ sandbox, child, expectStored: (blocks) => expect(stored(blocks)).toBe(true) });
  });

async function end(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.stdin?.write("end\n");
  expect(await deadline("the end of the writer", 20_000, exit, () => kernelStacks(child.pid ?? 0))).toEqual([0, null]);
}

const serverOf = async (sandbox: Sandbox): Promise<number> =>
  (await sandbox.statusUntil("a server", (report) => report.server !== null)).server?.pid ?? 0;

test("what fsync acknowledged is in storage when server and writer are killed", { timeout: 60_000 }, () =>
  whileWriting(async ({ sandbox, child, expectStored }) => {
    const { daemon, server } = await sandbox.status();
    for (const pid of [daemon?.pid, server?.pid, child.pid]) process.kill(pid ?? 0, "SIGKILL");
    expectStored(100);
  }),
);

test("what was written gets to storage through the next server", { timeout: 60_000 }, () =>
  whileWriting(async ({ sandbox, child, expectStored }) => {
    const pid = await serverOf(sandbox);
    process.kill(pid, "SIGKILL");
    await sandbox.statusUntil("another server", (report) => report.server !== null && report.server.pid !== pid);
    await end(child);
    expectStored(200);
  }),
);

test("a SIGTERM does not end a server whose files are open", { timeout: 60_000 }, () =>
  whileWriting(async ({ sandbox, child, expectStored }) => {
    const pid = await serverOf(sandbox);
    process.kill(pid, "SIGTERM");
    await end(child);
    expectStored(200);
    expect(await serverOf(sandbox)).toBe(pid);
  }),
);

test("a writer that is killed loses nothing it had written", { timeout: 60_000 }, () =>
  whileWriting(async ({ sandbox, child, expectStored }) => {
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    expectStored(200);
  }),
);

test("a daemon that is stopped sees to it that what was written is in storage, though the file is open", { timeout: 60_000 }, () =>
  whileWriting(async ({ sandbox, expectStored }) => {
    const { daemon, server } = await sandbox.status();
    process.kill(daemon?.pid ?? 0, "SIGTERM");
    await until(
      "the end of daemon and server",
      30_000,
      () => !sandbox.pids().some((pid) => pid === daemon?.pid || pid === server?.pid),
      () => kernelStacks(server?.pid ?? 0) + sandbox.log(),
    );
    expectStored(200);
  }),
);
