// With nothing to do, 60 mounts and a few links cost nothing: no CPU and no wake-ups, in the daemon, in the server, in no thread of them; and
// no helper is left running. 10 seconds here, HMPERSIST_IDLE_SECONDS=60 for a full minute.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { withSandbox } from "../helpers/sandbox.ts";

const SECONDS = Number(process.env["HMPERSIST_IDLE_SECONDS"] ?? 10);
const MOUNTS = 60;
/** Of all threads together, for whatever node does once in a long while (V8 gives memory back some time after the last work). */
const WAKEUPS = 10;
const CPU_MS = 20;
/** Seconds until everything has come to rest, at most. */
const SETTLE = 90;

interface Work {
  readonly wakeups: number;
  readonly cpuMs: number;
}

interface Look {
  readonly at: number;
  readonly work: ReadonlyMap<string, Work>;
}

/** By thread: how often it was given a processor because it asked for one, and for how long. */
function work(pids: readonly number[]): Map<string, Work> {
  const threads = pids.flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`));
  return new Map(
    threads.map((at) => {
      const wakeups = Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(readFileSync(`${at}/status`, "latin1"))?.[1]);
      const cpuMs = Number(readFileSync(`${at}/schedstat`, "latin1").split(" ")[0]) / 1e6;
      return [`${at} ${readFileSync(`${at}/comm`, "latin1").trim()}`, { wakeups, cpuMs }];
    }),
  );
}

/** What was done from `before` to `after`, threads that did nothing left out. */
function done(before: ReadonlyMap<string, Work>, after: ReadonlyMap<string, Work>): Map<string, Work> {
  const differences = [...after].map(([thread, { wakeups, cpuMs }]) => {
    const then = before.get(thread) ?? { wakeups: 0, cpuMs: 0 };
    return [thread, { wakeups: wakeups - then.wakeups, cpuMs: cpuMs - then.cpuMs }] as const;
  });
  return new Map(differences.filter(([, { wakeups, cpuMs }]) => wakeups > 0 || cpuMs > 0));
}

const last = (looks: readonly Look[]): ReadonlyMap<string, Work> => done(looks[0]!.work, looks.at(-1)!.work);

const tell = (found: ReadonlyMap<string, Work>): string =>
  [...found].map(([thread, { wakeups, cpuMs }]) => `${thread}: ${wakeups} wake-ups, ${cpuMs.toFixed(1)} ms`).join("\n");

/** What was done in the last SECONDS, if that is next to nothing; `looks` are those since then. */
function span(looks: Look[], now: ReadonlyMap<string, Work>): ReadonlyMap<string, Work> | undefined {
  looks.push({ at: performance.now(), work: now });
  while (looks[1] !== undefined && looks.at(-1)!.at - looks[1].at >= SECONDS * 1_000) looks.shift();
  const found = last(looks);
  const whole = looks.at(-1)!.at - looks[0]!.at >= SECONDS * 1_000;
  return whole && total(found, "wakeups") <= WAKEUPS && total(found, "cpuMs") <= CPU_MS ? found : undefined;
}

const total = (all: ReadonlyMap<string, Work>, of: keyof Work): number => [...all.values()].reduce((sum, each) => sum + each[of], 0);

test("60 mounts with nothing to do", { timeout: 180_000 + 2 * SECONDS * 1000 }, () =>
  withSandbox("idle", {}, async (sandbox) => {
    const directories = Array.from({ length: MOUNTS }, (_, n) => ({ directory: `d${n}`, cache: n % 2 === 0 ? "shared" : "exclusive" }));
    const storages = [join(sandbox.storage, "one"), join(sandbox.storage, "two")];
    storages.forEach((path) => sandbox.ownDirectory(path));
    const half = MOUNTS / 2;
    sandbox.writeConfig({
      home: sandbox.home,
      engine: "kernel",
      persistence: {
        [storages[0]!]: { directories: directories.slice(0, half), files: [".rc", ".config/app/rc"] },
        [storages[1]!]: { directories: directories.slice(half) },
      },
    });
    // In a mount namespace of its own: whatever others mount on this machine wakes a daemon, which follows the mount table.
    expect(await sandbox.runIn("true", ["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
    const inside = ["--target", String((await sandbox.status()).daemon?.pid), "--mount", "sh", "-c"];
    // Every way of waking up again was gone once: requests on all mounts, fsync on the lanes, a healing.
    const script = `for n in $(seq 0 ${MOUNTS - 1}); do echo x > d$n/file; done; sync -f d0; sync d1/file; sync d40/file; echo a > t; mv t .rc; cat .rc d*/file`;
    expect(await sandbox.exec("nsenter", [...inside, `cd "${sandbox.home}"; ${script}`])).toMatchObject({ code: 0 });
    const { daemon, server } = await sandbox.statusUntil("the healing", (report) =>
      report.entries.some((entry) => entry.state === "healed"),
    );
    const pids = sandbox.pids();
    // Warming up and the threads for links end some seconds after the last work, and V8 gives memory back eight seconds after it, a few times.
    // Then a whole span without work has to come; whatever polls prevents it.
    const looks: Look[] = [];
    const end = performance.now() + (SETTLE + SECONDS) * 1_000;
    let found: ReadonlyMap<string, Work> | undefined;
    while (found === undefined && performance.now() < end) {
      found = span(looks, work(sandbox.pids()));
      await sleep(1_000);
    }
    if (found === undefined) throw new Error(`never idle for ${SECONDS} s; in the last ones:\n${tell(last(looks))}`);
    process.stdout.write(`${SECONDS} s: ${total(found, "wakeups")} wake-ups, ${total(found, "cpuMs").toFixed(1)} ms of CPU\n`);
    expect(pids.toSorted((a, b) => a - b)).toEqual([daemon?.pid, server?.pid].toSorted((a, b) => (a ?? 0) - (b ?? 0)));
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);
