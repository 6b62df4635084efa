// `npm run bench -- startup`: how long the wiki's configuration takes until everything is mounted and linked, and the memory (PSS) of all
// processes; 22 and 60 directories, beside as many bindfs processes. Rounds are interleaved, figures are medians.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readMountinfo } from "../../src/sys/mountinfo.ts";
import { until } from "../helpers/deadline.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

interface Figures {
  readonly ms: number;
  readonly pssMiB: number;
}

/** Proportional set size of a process: shared pages count once, divided among who shares them. */
function pss(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024;
}

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `directory-${index}`);

async function hmpersist(sandbox: Sandbox, mounts: number): Promise<Figures> {
  const begin = performance.now();
  const ran = await sandbox.run(["mount", "--config", sandbox.configFile]);
  const ms = performance.now() - begin;
  if (ran.code !== 0 || sandbox.mounts().length !== mounts) throw new Error(`mount ended with ${ran.code}: ${ran.stdout}${ran.stderr}`);
  const pssMiB = sandbox.pids().reduce((sum, pid) => sum + pss(pid), 0);
  await sandbox.run(["unmount"]);
  return { ms, pssMiB };
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
  return { ms, pssMiB };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function report(title: string, figures: readonly Figures[]): void {
  const ms = median(figures.map((each) => each.ms));
  const mib = median(figures.map((each) => each.pssMiB));
  process.stdout.write(`${title.padEnd(44)} ${ms.toFixed(0).padStart(6)} ms ${mib.toFixed(1).padStart(7)} MiB PSS\n`);
}

const ROUNDS = 5;

export async function startup(args: readonly string[]): Promise<void> {
  const rounds = Number(args[args.indexOf("--rounds") + 1] ?? ROUNDS) || ROUNDS;
  await withSandbox("bench-startup", { as: "user" }, async (sandbox) => {
    const wiki: Figures[] = [];
    const sixty: Figures[] = [];
    const bindfs22: Figures[] = [];
    const bindfs60: Figures[] = [];
    for (let round = 0; round < rounds; round += 1) {
      sandbox.writeWikiConfig();
      wiki.push(await hmpersist(sandbox, 22));
      sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: names(60) } } });
      sixty.push(await hmpersist(sandbox, 60));
      bindfs22.push(await bindfs(sandbox.base, 22));
      bindfs60.push(await bindfs(sandbox.base, 60));
    }
    report("hmpersist, 22 directories and 59 files", wiki);
    report("bindfs, 22 processes", bindfs22);
    report("hmpersist, 60 directories", sixty);
    report("bindfs, 60 processes", bindfs60);
  });
}
