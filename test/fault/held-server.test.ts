// A storage hangs and holds a thread of the server in a call that cannot be killed. The server is replaced all the same: the mounts of the
// other storages go on with its successor, those of this one when it answers, and what was asked of it comes before what was asked later.
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { EntryState } from "../../src/daemon/status.ts";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { outcome } from "../helpers/faults.ts";
import { withHeldAndFree } from "../helpers/hung-storage.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

const ANSWER_MS = 20_000;
const WRITE = `open("file", "w").write("text"); os.listdir(".")`;
// A word before the storage hangs, and two that follow on the call that it holds.
const WRITER = `
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
for words in [["one"], ["two", "six"]]:
    for word in words: os.pwrite(fd, word.encode(), 0)
    print(words, flush=True)
    sys.stdin.readline()
`;

const states = async (sandbox: Sandbox, wanted: Readonly<Record<string, EntryState>>): Promise<void> => {
  const all = Object.entries(wanted);
  await sandbox.statusUntil(JSON.stringify(wanted), ({ entries }) =>
    all.every(([target, state]) => entries.find((entry) => entry.target === join(sandbox.home, target))?.state === state),
  );
};

test.each([
  // It is the successor that is held, as it opens the storage.
  { how: "SIGKILL", shown: "stuck", idle: true },
  { how: "SIGKILL", shown: "stuck", idle: false },
  // It says of a storage that does not answer that it refuses its entries.
  { how: "apply --restart-server", shown: "refused", idle: false },
] as const)("$how while a storage holds a thread of the server, idle: $idle", { timeout: 180_000 }, ({ how, shown, idle }) =>
  withSandbox("held", {}, async (sandbox) => {
    await withHeldAndFree(sandbox, async (storage) => {
      const free = join(sandbox.home, "free");
      const { server } = await sandbox.status();
      const pid = server?.pid ?? 0;
      const writer = sandbox.spawn("python3", ["-c", WRITER, join(sandbox.home, "held/word")], {}, "pipe");
      const stacks = (): string => `${kernelStacks(writer.pid ?? 0)}\n${kernelStacks(pid)}\n${sandbox.log()}`;
      const line = (): Promise<unknown> => deadline("a line of the writer", ANSWER_MS, once(writer.stdout ?? writer, "data"), stacks);
      await line();
      storage.hang();
      try {
        if (!idle) {
          writer.stdin?.write("go on\n");
          await until("the server to be held", ANSWER_MS, storage.holds, stacks);
        }
        if (how === "SIGKILL") process.kill(pid, "SIGKILL");
        else await sandbox.run(how.split(" "));
        expect(await deadline("work on the other storage", ANSWER_MS, outcome(sandbox, free, WRITE), stacks)).toBe("ok");
        await states(sandbox, { held: shown, free: "mounted" });
        expect((await sandbox.status()).server?.pid).not.toBe(pid);
        if (!idle) expect(existsSync(`/proc/${pid}`)).toBe(true);
        if (idle) writer.stdin?.write("go on\n");
      } finally {
        storage.answer();
      }
      await line();
      await states(sandbox, { held: "mounted", free: "mounted" });
      expect(readFileSync(join(sandbox.base, "real/held/word"), "utf8")).toBe("six");
      writer.kill("SIGKILL");
      await deadline("the end of the writer", ANSWER_MS, once(writer, "exit"), stacks);
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    });
  }),
);
