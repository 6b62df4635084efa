// How long it takes until everything is mounted and linked, and the memory (PSS) of all processes: the wiki's configuration (22
// directories, 59 files) and 60 directories, beside as many bindfs processes; and the memory with 50,000 known files. Alone: `npm run
// bench -- startup`. Rounds are interleaved, figures are medians.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stderr, stdout } from "node:process";
import { readMountinfo } from "../../src/sys/mountinfo.ts";
import { until } from "../helpers/deadline.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";
import { median } from "./statistics.ts";

export interface Figures {
  readonly title: string;
  /** Milliseconds until everything is there. */
  readonly ms: number;
  /** Proportional set size of all processes. */
  readonly pssMiB: number;
}

export interface Startup {
  readonly figures: readonly Figures[];
  /** Of all processes of hmpersist, in megabytes (10^6 bytes), and what was set out for. */
  readonly knownFiles: { readonly files: number; readonly mounts: number; readonly pssMB: number; readonly limitMB: number };
}

const ROUNDS = 5;
const KNOWN_FILES = 50_000;
const LIMIT_MB = 110;
const KIB_PER_MIB = 1024;

/** Proportional set size of a process in MiB: shared pages count once, divided among who shares them. */
function pss(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / KIB_PER_MIB;
}

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `directory-${index}`);
const pssOfAll = (sandbox: Sandbox): number => sandbox.pids().reduce((sum, pid) => sum + pss(pid), 0);

async function mountAll(sandbox: Sandbox, mounts: number): Promise<number> {
  const begin = performance.now();
  const ran = await sandbox.run(["mount", "--config", sandbox.configFile]);
  const ms = performance.now() - begin;
  if (ran.code !== 0 || sandbox.mounts().length !== mounts) throw new Error(`mount ended with ${ran.code}: ${ran.stdout}${ran.stderr}`);
  return ms;
}

async function hmpersist(sandbox: Sandbox, title: string, mounts: number): Promise<Figures> {
  const ms = await mountAll(sandbox, mounts);
  const pssMiB = pssOfAll(sandbox);
  await sandbox.run(["unmount"]);
  return { title, ms, pssMiB };
}

async function bindfs(base: string, count: number): Promise<Figures> {
  const mountpoints = names(count).map((name) => join(base, "bindfs", name));
  const source = join(base, "storage");
  for (const path of mountpoints) mkdirSync(path, { recursive: true });
  const begin = performance.now();
  const children = mountpoints.map((path) => spawn("bindfs", ["-f", source, path], { stdio: "ignore" }));
  const mounted = (): number => readMountinfo().filter((mount) => mount.mountpoint.startsWith(`${base}/bindfs/`)).length;
  await until(`${count} bindfs`, 30_000, () => mounted() === count);
  const ms = performance.now() - begin;
  const pssMiB = children.reduce((sum, child) => sum + pss(child.pid ?? 0), 0);
  for (const path of mountpoints) execFileSync("umount", ["-i", path]);
  return { title: `bindfs, ${count} processes`, ms, pssMiB };
}

/** Memory after every one of the files was looked at through its mount. */
async function known(sandbox: Sandbox, mounts: number): Promise<Startup["knownFiles"]> {
  for (const name of names(mounts)) {
    mkdirSync(join(sandbox.storage, name), { recursive: true });
    for (let index = 0; index < KNOWN_FILES / mounts; index += 1) writeFileSync(join(sandbox.storage, name, `file-${index}`), "");
  }
  execFileSync("chown", ["-R", `${sandbox.uid}:${sandbox.uid}`, sandbox.storage]);
  await mountAll(sandbox, mounts);
  const seen = await sandbox.exec("find", [sandbox.home, "-type", "f", "-size", "0", "-printf", "."]);
  const files = seen.stdout.length;
  if (files < KNOWN_FILES) throw new Error(`${files} files were seen: ${seen.stderr}`);
  const pssMB = (pssOfAll(sandbox) * KIB_PER_MIB * KIB_PER_MIB) / 1e6;
  await sandbox.run(["unmount"]);
  return { files, mounts, pssMB, limitMB: LIMIT_MB };
}

export async function measureStartup(rounds: number): Promise<Startup> {
  return withSandbox("bench-startup", { as: "user" }, async (sandbox) => {
    const all: Figures[] = [];
    for (let round = 0; round < rounds; round += 1) {
      stderr.write(`ready and memory, round ${round + 1} of ${rounds}\n`);
      sandbox.writeWikiConfig();
      all.push(await hmpersist(sandbox, "hmpersist, 22 directories and 59 files", 22), await bindfs(sandbox.base, 22));
      sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: names(60) } } });
      all.push(await hmpersist(sandbox, "hmpersist, 60 directories", 60), await bindfs(sandbox.base, 60));
    }
    const figures = [...new Set(all.map(({ title }) => title))].map((title) => {
      const mine = all.filter((each) => each.title === title);
      return { title, ms: median(mine.map(({ ms }) => ms)), pssMiB: median(mine.map(({ pssMiB }) => pssMiB)) };
    });
    return { figures, knownFiles: await known(sandbox, 60) };
  });
}

export function renderStartup({ figures, knownFiles: { files, mounts, pssMB, limitMB } }: Startup): string {
  const lines = figures.map(
    ({ title, ms, pssMiB }) => `${title.padEnd(44)} ${ms.toFixed(0).padStart(6)} ms ${pssMiB.toFixed(1).padStart(7)} MiB PSS`,
  );
  const reached = pssMB <= limitMB ? "reached" : "NOT reached";
  return [...lines, `hmpersist, ${mounts} mounts and ${files} known files: ${pssMB.toFixed(1)} MB PSS (goal ${limitMB}: ${reached})`].join(
    "\n",
  );
}

export async function startup(args: readonly string[]): Promise<void> {
  const rounds = Number(args[args.indexOf("--rounds") + 1] ?? ROUNDS) || ROUNDS;
  stdout.write(`${renderStartup(await measureStartup(rounds))}\n`);
}
