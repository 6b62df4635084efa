// One turn of one candidate: a fresh storage directory and a fresh mount, every row once. Interleaving is the caller's business.
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { deadline } from "../helpers/deadline.ts";
import { startMount, type Mounted } from "../helpers/mounted.ts";
import { removeTree, tempDirectory } from "../helpers/temp.ts";
import type { Candidate } from "./candidates.ts";
import { Others } from "./load.ts";
import type { Row } from "./rows.ts";

/** Nanoseconds for one operation. */
export interface Sample {
  readonly wall: number;
  /** User and system time of client and server together. */
  readonly cpu: number;
}

interface ClientReport {
  readonly ns: number;
  readonly ops: number;
  readonly cpuNs: number;
  readonly serverNs: number;
}

/** One candidate's turn. */
export interface Turn {
  readonly samples: ReadonlyMap<string, Sample>;
  /** CPUs that others kept busy while its rows ran. */
  readonly others: number;
}

const ROW_MS = 300_000;

function runClient(client: string, uid: number, directory: string, server: number, args: readonly string[]): Promise<ClientReport> {
  return new Promise((resolve, reject) => {
    const options = { cwd: "/", uid, gid: uid, env: { PATH: process.env["PATH"] ?? "", HOME: dirname(client), GIT_CONFIG_NOSYSTEM: "1" } };
    execFile(client, [directory, String(server), ...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as ClientReport);
      else reject(new Error(`${args.join(" ").slice(0, 80)}: ${error.message} ${stderr}`));
    });
  });
}

/** What lies in the storage before the mount is made. */
async function prepare(client: string, storage: string, candidate: Candidate, rows: readonly Row[]): Promise<void> {
  const files = Math.max(...rows.filter((row) => row.client[0] === "stat" || row.client[0] === "scan").map((row) => row.client[1]), 100);
  for (const name of ["old", "scan", "new", "warm"]) {
    mkdirSync(join(storage, name));
    execFileSync("chown", [`${candidate.uid}:${candidate.uid}`, join(storage, name)]);
    if (name === "old" || name === "scan") await runClient(client, candidate.uid, join(storage, name), 0, ["prepare", String(files)]);
  }
}

/** `base` is the filesystem the storage lies on; `cpu`: client and server run on this one only. */
export async function measureTurn(
  client: string,
  base: string,
  candidate: Candidate,
  rows: readonly Row[],
  cpu: number | undefined,
): Promise<Turn> {
  const storage = tempDirectory("bench", { base, uid: candidate.uid });
  const samples = new Map<string, Sample>();
  const others = new Others();
  let mounted: Mounted | undefined;
  try {
    await prepare(client, storage, candidate, rows);
    if (candidate.mount !== undefined) mounted = await startMount({ ...candidate.mount, source: storage });
    const root = mounted?.mountpoint ?? storage;
    const server = mounted?.pid ?? 0;
    // The client inherits it from us.
    if (cpu !== undefined) for (const pid of [server, process.pid]) if (pid !== 0) pin(pid, cpu);
    // A server runs for days; what its first second costs (a JIT that has seen nothing yet) is no row's business. All are warmed alike.
    if (mounted !== undefined) await runClient(client, candidate.uid, `${root}/warm`, 0, ["parallel", "400"]);
    for (const row of rows) {
      const where = row.directory === "." ? root : `${root}/${row.directory}`;
      const run = (args: readonly string[]): Promise<ClientReport> =>
        deadline(
          `${candidate.name}: ${row.name}`,
          ROW_MS,
          runClient(client, candidate.uid, where, server, args),
          () => mounted?.stacks() ?? "",
        );
      if (row.before !== undefined) await run(["exec", "1", ...row.before]);
      const [name, count, ...rest] = row.client;
      const report = await others.during(async () => {
        const { ns, ops, cpuNs, serverNs } = await run([name, String(count), ...rest]);
        return { ns, ops, cpu: cpuNs + serverNs, ownMs: (cpuNs + serverNs) / 1e6 };
      });
      samples.set(row.name, { wall: report.ns / report.ops, cpu: report.cpu / report.ops });
    }
    await mounted?.unmount();
    return { samples, others: others.share };
  } finally {
    await mounted?.dispose();
    removeTree(storage);
  }
}

const pin = (pid: number, cpu: number): void =>
  void execFileSync("taskset", ["-a", "-p", "-c", String(cpu), String(pid)], { stdio: "ignore" });
