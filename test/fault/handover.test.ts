// Mounts go from the server of a daemon that died to the next daemon, or stay where they are: whatever becomes of a daemon that asks for
// them, and of storages that hang meanwhile.
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { mountData, outcome } from "../helpers/faults.ts";
import { withHeldAndFree } from "../helpers/hung-storage.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

const ANSWER_MS = 20_000;
const WRITE = `open("file", "w").write("text"); os.listdir(".")`;

// Adds a letter to some open files for each line it is told; those called "nameless" have lost their names.
const WRITER = `
import os, sys
os.chdir(sys.argv[1])
files = [os.open(name, os.O_RDWR | os.O_CREAT) for name in sys.argv[2:]]
if "nameless" in sys.argv: os.unlink("nameless")
text = b""
for line in sys.stdin:
    text += line.strip().encode()
    for fd in files:
        os.pwrite(fd, text, 0)
        if os.pread(fd, 100, 0) != text: raise Exception("read something else")
    print(text, flush=True)
`;

interface Writer {
  readonly tell: (letter: string) => void;
  readonly done: () => Promise<void>;
}

function startWriter(sandbox: Sandbox, directory: string, ...files: string[]): Writer {
  const child = sandbox.spawn("python3", ["-c", WRITER, directory, ...files], {}, "pipe");
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const dump = (): string => `${errors}\n${kernelStacks(child.pid ?? 0)}\n${sandbox.log()}`;
  return {
    tell: (letter) => void child.stdin?.write(`${letter}\n`),
    done: async () => void (await deadline("the writer", ANSWER_MS, once(child.stdout ?? child, "data"), dump)),
  };
}

async function pids(sandbox: Sandbox): Promise<{ daemon: number; server: number }> {
  const { daemon, server } = await sandbox.status();
  return { daemon: daemon?.pid ?? 0, server: server?.pid ?? 0 };
}

async function killDaemon(sandbox: Sandbox, daemon: number): Promise<void> {
  process.kill(daemon, "SIGKILL");
  await until(
    "the server to offer its mounts",
    ANSWER_MS,
    () => existsSync(join(sandbox.base, "run/hmpersist/handover.sock")),
    () => `${kernelStacks(daemon)}\n${sandbox.log()}`,
  );
}

const ended = (pid: number): Promise<true> =>
  until(
    "the end of the old server",
    ANSWER_MS,
    () => !existsSync(`/proc/${pid}`),
    () => kernelStacks(pid),
  );

async function askAndDie(sandbox: Sandbox, said: number, heard: boolean): Promise<void> {
  const asking = connect(join(sandbox.base, "run/hmpersist/handover.sock"));
  await deadline("a connection", ANSWER_MS, once(asking, "connect"));
  asking.write(Buffer.alloc(said, 6));
  if (heard) await deadline("a mount", ANSWER_MS, once(asking, "data"));
  asking.destroy();
}

async function startAndDie(sandbox: Sandbox): Promise<void> {
  const next = sandbox.daemon();
  const children = (): string => readFileSync(`/proc/${next.pid}/task/${next.pid}/children`, "utf8");
  await until("the next server", ANSWER_MS, () => children() !== "");
  next.kill("SIGKILL");
  await once(next, "exit");
}

test.each([
  { died: "as it connected", die: (sandbox: Sandbox) => askAndDie(sandbox, 0, false) },
  { died: "as it was given a mount", die: (sandbox: Sandbox) => askAndDie(sandbox, 1, true) },
  { died: "as its server started", die: startAndDie },
])("a next daemon that died $died has not got the mounts", { timeout: 120_000 }, ({ die }) =>
  withSandbox("handover", {}, async (sandbox) => {
    const data = await mountData(sandbox, sandbox.storage, { engine: "kernel", cache: "shared" });
    const mounts = sandbox.mounts();
    const writer = startWriter(sandbox, data, "named", "nameless");
    writer.tell("a");
    await writer.done();
    const { daemon, server } = await pids(sandbox);
    await killDaemon(sandbox, daemon);

    await die(sandbox);
    writer.tell("b");
    await writer.done();

    expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
    expect(sandbox.mounts()).toEqual(mounts);
    writer.tell("c");
    await writer.done();
    await ended(server);
    expect(readFileSync(join(sandbox.storage, "data/named"), "utf8")).toBe("abc");
  }),
);

test("a storage that hangs keeps its own mounts from the next daemon, until it answers", { timeout: 180_000 }, () =>
  withSandbox("handover-held", {}, async (sandbox) => {
    await withHeldAndFree(sandbox, async (storage) => {
      const free = join(sandbox.home, "free");
      const mounts = sandbox.mounts();
      const writers = ["held", "free"].map((name) => startWriter(sandbox, join(sandbox.home, name), "named"));
      const [held, unheld] = writers as [Writer, Writer];
      for (const writer of writers) writer.tell("a");
      await Promise.all(writers.map((writer) => writer.done()));
      const { daemon, server } = await pids(sandbox);
      storage.hang();
      held.tell("b");
      await until("the server to be held", ANSWER_MS, storage.holds);
      await killDaemon(sandbox, daemon);

      expect((await sandbox.run(["mount", "--config", sandbox.configFile])).code, sandbox.log()).toBe(3);
      unheld.tell("b");
      await unheld.done();
      expect(await deadline("work on the other storage", ANSWER_MS, outcome(sandbox, free, WRITE))).toBe("ok");
      const report = await sandbox.status();
      expect(report.server?.pid).not.toBe(server);
      expect(report.entries.map(({ state }) => state).sort()).toEqual(["mounted", "refused"]);
      expect(existsSync(`/proc/${server}`)).toBe(true);

      storage.answer();
      await held.done();
      await sandbox.statusUntil("both mounts", ({ entries }) => entries.length > 0 && entries.every(({ state }) => state === "mounted"));
      expect(sandbox.mounts()).toEqual(mounts);
      for (const writer of writers) writer.tell("c");
      await Promise.all(writers.map((writer) => writer.done()));
      await ended(server);
      expect(readFileSync(join(sandbox.base, "real/held/named"), "utf8")).toBe("abc");
    });
  }),
);
