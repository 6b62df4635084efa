// What is done to the program and to its storages while the clients work. Each fault ends by itself and leaves things as they were; one
// that makes operations fail announces it to the clients, whose model then says so.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, statfsSync, closeSync } from "node:fs";
import { join } from "node:path";
import type { StatusReport } from "../../src/daemon/status.ts";
import { until } from "../helpers/deadline.ts";
import type { Ran } from "../helpers/sandbox.ts";
import type { Crew, Window } from "./crew.ts";
import { forgetAll, writable } from "./health.ts";
import type { Random } from "./random.ts";
import type { Scene } from "./scene.ts";

export interface Ground {
  readonly scene: Scene;
  readonly crew: Crew;
  readonly random: Random;
  /** From now until what it returns is called a server ends, and with it open files that have no name. */
  readonly killed: () => () => void;
}

export interface Fault {
  readonly name: string;
  readonly weight: number;
  readonly run: (ground: Ground) => Promise<void>;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs the program, which must end well. */
async function must({ scene }: Ground, args: readonly string[]): Promise<Ran> {
  const ran = await scene.sandbox.run(args);
  if (ran.code !== 0) throw new Error(`hmpersist ${args.join(" ")} ended with ${ran.code}\n${ran.stdout}${ran.stderr}`);
  return ran;
}

const mount = (ground: Ground): Promise<Ran> => must(ground, ["mount", "--config", ground.scene.sandbox.configFile]);

// Those have counters that the server serves.
const allMounted = (scene: Scene, report: StatusReport): boolean =>
  report.server !== null &&
  report.entries.filter((entry) => entry.state === "mounted" && entry.stats !== undefined).length === scene.mountCount;

async function server({ scene }: Ground): Promise<number> {
  const report = await scene.sandbox.statusUntil("a server", (found) => allMounted(scene, found));
  return report.server?.pid ?? 0;
}

/** Waits until what was redelivered is answered, for it comes first: a request that sees its server killed twice is EIO, be it only slow. */
async function settled({ scene: { sandbox } }: Ground): Promise<void> {
  const asked = await sandbox.exec("stat", ["--file-system", ...sandbox.mounts().map(({ mountpoint }) => mountpoint)]);
  if (asked.code !== 0) throw new Error(`statfs of the mounts: ${asked.stderr}`);
}

async function daemon({ scene }: Ground): Promise<number> {
  const report = await scene.sandbox.statusUntil("a daemon", (found) => found.daemon !== null);
  return report.daemon?.pid ?? 0;
}

async function killServer(ground: Ground): Promise<void> {
  const pid = await server(ground);
  await settled(ground);
  const over = ground.killed();
  process.kill(pid, "SIGKILL");
  await ground.scene.sandbox.statusUntil("another server", (report) => report.server !== null && report.server.pid !== pid);
  over();
}

/** One after the other, as soon as the next one is there. */
async function killServers(ground: Ground): Promise<void> {
  for (let kill = 0; kill < 4; kill += 1) {
    await killServer(ground);
    await server(ground);
    await sleep(ground.random.between(200, 500));
  }
}

async function restartServer(ground: Ground): Promise<void> {
  const over = ground.killed();
  await must(ground, ["apply", "--restart-server"]);
  over();
}

async function killDaemon(ground: Ground): Promise<void> {
  const [pid, serving] = [await daemon(ground), await server(ground)];
  // The server ends once it handed its mounts over; nothing is in flight then, but files without a name end with it.
  const over = ground.killed();
  process.kill(pid, "SIGKILL");
  await sleep(ground.random.pick([0, 0, ground.random.between(0, 1_000)]));
  await mount(ground);
  await until("end of the orphaned server", 20_000, () => !existsSync(`/proc/${serving}`));
  over();
}

async function stopped(ground: Ground, pid: number, longest: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await sleep(ground.random.between(50, longest));
  process.kill(pid, "SIGCONT");
}

const stopServer = async (ground: Ground): Promise<void> => stopped(ground, await server(ground), 2_000);
const stopDaemon = async (ground: Ground): Promise<void> => stopped(ground, await daemon(ground), 2_000);

/** The disk hangs: whatever touches it waits, `status` answers all the same, and everything goes on afterwards. */
async function freeze(ground: Ground): Promise<void> {
  const { disk } = ground.scene;
  execFileSync("fsfreeze", ["--freeze", disk]);
  try {
    await sleep(ground.random.between(50, 1_500));
    await ground.scene.sandbox.statusUntil("an answer", () => true);
  } finally {
    execFileSync("fsfreeze", ["--unfreeze", disk]);
  }
}

/** Announces `kind` to the clients for as long as `body` takes. Between windows nobody has anything open on the disk. */
async function window(
  ground: Ground,
  kind: Window,
  begin: () => void | Promise<void>,
  body: () => Promise<void>,
  end: () => void | Promise<void>,
): Promise<void> {
  const { crew } = ground;
  await crew.pause();
  await begin();
  crew.resume(kind);
  await body();
  await crew.pause();
  await end();
  crew.resume();
}

/**
 * A server may keep files of `exclusive` mounts open for writing until they are forgotten. One without a name that a FORGET named which a
 * server had read when it was killed is kept until the unmount: then the disk stays as it is.
 */
async function remount({ scene }: Ground, how: "ro" | "rw"): Promise<void> {
  forgetAll(scene.sandbox);
  const tried = (): boolean => spawnSync("mount", ["-o", `remount,${how}`, scene.disk]).status === 0;
  const held = (): string[] => scene.sandbox.pids().flatMap((pid) => writable(pid, scene.disk));
  try {
    await until(`the disk to be remounted ${how}`, 20_000, tried, () => held().join("\n"));
  } catch (error) {
    const files = held();
    if (files.length === 0 || !files.every((file) => file.endsWith(" (deleted)"))) throw error;
  }
}

async function readOnly(ground: Ground): Promise<void> {
  await window(
    ground,
    "EROFS",
    () => remount(ground, "ro"),
    async () => {
      await sleep(ground.random.between(200, 2_000));
      if (ground.random.next() < 0.3) await killServer(ground);
    },
    () => remount(ground, "rw"),
  );
}

/** Leaves the disk some pages, which the clients fight for. */
async function full(ground: Ground): Promise<void> {
  const filler = join(ground.scene.disk, "filler");
  await window(
    ground,
    "ENOSPC",
    () => fill(ground.scene.disk, filler, ground.random.below(200) * 1024),
    async () => {
      await sleep(ground.random.between(500, 3_000));
      if (ground.random.next() < 0.3) await killServer(ground);
    },
    () => rmSync(filler),
  );
}

function fill(disk: string, file: string, leave: number): void {
  closeSync(openSync(file, "w", 0o600));
  const { bavail, bsize } = statfsSync(disk);
  execFileSync("fallocate", ["--length", String(Math.max(4096, bavail * bsize - leave - (1 << 20))), file]);
  // What fallocate's own metadata left over.
  for (;;) {
    const rest = statfsSync(disk);
    const free = rest.bavail * rest.bsize;
    if (free <= leave + 8192) return;
    try {
      execFileSync(
        "dd",
        [
          "if=/dev/zero",
          `of=${file}`,
          "oflag=append",
          "conv=notrunc",
          "bs=4096",
          `count=${Math.max(1, Math.floor((free - leave) / 4096))}`,
        ],
        {
          stdio: "ignore",
        },
      );
    } catch {
      return;
    }
  }
}

let extra = 0;

/** A directory comes with a new configuration, is used, and goes with the next; open files elsewhere notice nothing. */
async function reload(ground: Ground): Promise<void> {
  const { scene, random } = ground;
  const { sandbox } = scene;
  const [gone] = scene.extra;
  if (gone !== undefined && random.next() < 0.6) {
    scene.configure(scene.extra.filter((name) => name !== gone));
    await must(ground, ["apply"]);
    if (sandbox.mounts().some((each) => each.mountpoint === join(sandbox.home, gone))) throw new Error(`${gone} is still mounted`);
    if (readFileSync(join(sandbox.storage, gone, "note"), "utf8") !== gone) throw new Error(`${gone} was not kept`);
    return;
  }
  const name = `extra-${(extra += 1)}`;
  scene.configure([...scene.extra, name]);
  await must(ground, ["apply"]);
  const wrote = await sandbox.exec("sh", ["-c", 'printf %s "$2" > "$1/note" && cat "$1/note"', "sh", join(sandbox.home, name), name]);
  if (wrote.stdout !== name) throw new Error(`${name} was not usable: ${wrote.stdout}${wrote.stderr}`);
  mkdirSync(join(sandbox.storage, name, "beside"));
}

export const FAULTS: readonly Fault[] = [
  { name: "kill-server", weight: 6, run: killServer },
  { name: "kill-servers", weight: 2, run: killServers },
  { name: "restart-server", weight: 3, run: restartServer },
  { name: "kill-daemon", weight: 3, run: killDaemon },
  { name: "stop-server", weight: 2, run: stopServer },
  { name: "stop-daemon", weight: 1, run: stopDaemon },
  { name: "freeze", weight: 2, run: freeze },
  { name: "read-only", weight: 2, run: readOnly },
  { name: "full", weight: 2, run: full },
  { name: "reload", weight: 3, run: reload },
];
