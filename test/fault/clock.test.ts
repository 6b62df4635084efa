// The machine's clock jumps by months, forwards and back (libfaketime, which tells daemon and server another time whenever the test says
// so; what measures elapsed time is left alone, as the kernel does). Nothing fires early or late, nothing is lost.
import { existsSync, lstatSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../helpers/deadline.ts";
import { mountData, outcome } from "../helpers/faults.ts";
import { withSandbox } from "../helpers/sandbox.ts";

const LIBRARY = ["x86_64", "aarch64"]
  .map((arch) => `/usr/lib/${arch}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));
if (LIBRARY === undefined) process.stderr.write("skipped: clock: it takes Debian's faketime\n");

const JUMPS = ["+200d", "-200d", "+0", "-30y", "+5"];

test.skipIf(LIBRARY === undefined)("the clock jumps forwards and back under daemon and server", { timeout: 120_000 }, () =>
  withSandbox("clock", {}, async (sandbox) => {
    const clock = join(sandbox.base, "clock");
    const jump = (by: string): void => {
      writeFileSync(`${clock}.new`, `${by}\n`);
      renameSync(`${clock}.new`, clock);
    };
    jump("+0");
    const settings = join(sandbox.home, "settings");
    Object.assign(sandbox.env, {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      FAKETIME_NO_CACHE: "1",
    });
    const data = await mountData(sandbox, sandbox.storage, { engine: "kernel", cache: "shared" }, ["settings"]);
    const before = await sandbox.status();
    const work = (line: string): Promise<string> =>
      outcome(sandbox, data, `f = open("log", "a"); f.write("${line}\\n"); f.flush(); os.fsync(f.fileno())`);
    for (const [index, by] of JUMPS.entries()) {
      // A deleted link is put back after a pause, in which the clock jumps.
      rmSync(settings);
      await new Promise((resolve) => setTimeout(resolve, 150));
      jump(by);
      await until("the link to be put back", 20_000, () => lstatSync(settings, { throwIfNoEntry: false }) !== undefined);
      expect(await work(by)).toBe("ok");
      // A program saves by rename; its file is of the new time, or of no time in particular.
      const saved = join(sandbox.home, "saved");
      writeFileSync(saved, by);
      if (index % 2 === 1) utimesSync(saved, index, index);
      renameSync(saved, settings);
      await until(
        `the link to be mended after ${by}`,
        20_000,
        () => lstatSync(settings).isSymbolicLink(),
        () => sandbox.log(),
      );
      expect(readFileSync(join(sandbox.storage, "settings"), "utf8")).toBe(by);
      const { entries, daemon, server } = await sandbox.status();
      expect([daemon?.pid, server?.pid]).toEqual([before.daemon?.pid, before.server?.pid]);
      // A request that began 200 days ago, by the clock, would be a stuck one.
      expect(entries[0]?.stats?.busyMs).toBeLessThan(60_000);
      expect(entries.map((entry) => entry.state)).toEqual(["mounted", "healed"]);
    }
    expect(readFileSync(join(sandbox.storage, "data/log"), "utf8")).toBe(JUMPS.map((by) => `${by}\n`).join(""));
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);
