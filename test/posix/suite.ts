// Runs every case on one target, as vitest tests. A case that hangs costs only itself: its runner's kernel stacks are shown, the mount
// is aborted, and the following cases get a new mount.
import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deadline, kernelStacks } from "../helpers/deadline.ts";
import { programPath } from "../helpers/program.ts";
import { startMount, type MountOptions, type Mounted } from "../helpers/mounted.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";
import { cases } from "./cases/index.ts";
import { knownFailures, type Target } from "./known-failures.ts";
import type { Order, Outcome } from "./runner.ts";

/** The longest takes ten seconds where nothing else runs. */
const CASE_MS = 120_000;

interface Options extends Partial<Omit<MountOptions, "source">> {
  readonly target: Target;
  /** Where the storage lies: a tmpfs unless told. */
  readonly base?: string;
}

/** Declares one test a case. Without an engine the cases run on the storage itself: are they true? */
export function posixSuite({ target, base = SHM, engine, ...options }: Options): void {
  let storage = "";
  let mounted: Mounted | undefined;
  let runner: ChildProcess | undefined;
  let count = 0;
  const owner = options.uid === undefined ? {} : { uid: options.uid };

  const start = async (): Promise<void> => {
    if (engine !== undefined) mounted = await startMount({ ...options, engine, source: storage });
    const identity = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
    runner = fork(programPath("posix/runner", options.uid), { ...identity, stdio: ["ignore", "inherit", "inherit", "ipc"] });
    await next(runner);
  };
  const endRunner = async (): Promise<void> => {
    const child = runner;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await deadline("end of the runner", 30_000, gone, () => kernelStacks(child.pid ?? 0));
  };
  const stop = async (): Promise<void> => {
    await endRunner();
    await mounted?.dispose();
    runner = mounted = undefined;
  };
  const order = async (title: string, on: "mount" | "storage" = "mount"): Promise<Outcome> => {
    if (runner?.connected !== true) {
      await stop();
      await start();
    }
    const { pid = 0 } = runner ?? {};
    count += 1;
    const directory = join(on === "mount" ? (mounted?.mountpoint ?? storage) : storage, `case-${count}`);
    runner?.send({ title, directory } satisfies Order);
    const dump = (): string => `${kernelStacks(pid)}\n${mounted?.stacks() ?? ""}`;
    try {
      return (await deadline(title, CASE_MS, next(runner), dump)) as Outcome;
    } catch (error) {
      mounted?.abort();
      await stop();
      throw error;
    }
  };

  beforeAll(async () => {
    storage = tempDirectory(`posix-${target}`, { base, ...owner });
    await start();
  });
  afterAll(async () => {
    try {
      // First, since a case that failed may have left files open.
      await endRunner();
      await mounted?.unmount();
    } finally {
      await stop();
      removeTree(storage);
    }
  });

  describe(target, () => {
    for (const title of Object.keys(cases)) {
      const known = knownFailures.find((failure) => failure.target === target && failure.title === title);
      test(title, { timeout: CASE_MS + 60_000 }, async (context) => {
        const result = await order(title).catch((error: unknown): Outcome => ({ outcome: "failed", reason: String(error) }));
        if (known !== undefined && result.outcome !== "passed") context.skip(`known: ${known.reason}`);
        if (result.outcome === "not here") {
          // Only the storage or the user may lack something, never the engine.
          const below = engine === undefined ? result : await order(title, "storage");
          if (below.outcome !== "passed") context.skip(result.reason);
          expect.fail(`on the mount only: ${result.reason}`);
        }
        if (known !== undefined && known.sometimes !== true) expect.fail(`passes, and is listed as a known failure (${known.reason})`);
        if (result.outcome === "failed") expect.fail(`${result.reason}\n${mounted?.log() ?? ""}`);
      });
    }
    test("every known failure names a case", () => {
      for (const { title } of knownFailures) expect(Object.keys(cases)).toContain(title);
    });
  });
}

/** The next message of a runner; its end is an answer, too. */
const next = (runner: ChildProcess | undefined): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const clear = (): void => {
      runner?.off("message", message);
      runner?.off("exit", exit);
    };
    const message = (value: unknown): void => {
      clear();
      resolve(value);
    };
    const exit = (code: number | null, signal: string | null): void => {
      clear();
      reject(new Error(`the process that ran the case ended with ${signal ?? code}`));
    };
    runner?.on("message", message);
    runner?.on("exit", exit);
  });
