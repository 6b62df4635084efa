// One round: a fresh storage directory and a fresh mount, every row once. Interleaving is the caller's business.
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { deadline } from "../helpers/deadline.ts";
import { startMount, type Mounted } from "../helpers/mounted.ts";
import { removeTree, tempDirectory } from "../helpers/temp.ts";
import type { Candidate } from "./candidates.ts";
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

/** Rows by name. `base` is the filesystem the storage lies on. */
export async function measureRound(client: string, base: string, candidate: Candidate, rows: readonly Row[]): Promise<Map<string, Sample>> {
  const storage = tempDirectory("bench", { base, uid: candidate.uid });
  const samples = new Map<string, Sample>();
  let mounted: Mounted | undefined;
  try {
    await prepare(client, storage, candidate, rows);
    if (candidate.mount !== undefined) mounted = await startMount({ ...candidate.mount, source: storage });
    const root = mounted?.mountpoint ?? storage;
    // A server runs for days; what its first second costs (a JIT that has seen nothing yet) is no row's business. All are warmed alike.
    if (mounted !== undefined) await runClient(client, candidate.uid, `${root}/warm`, 0, ["parallel", "400"]);
    for (const row of rows) {
      const [name, count, ...rest] = row.client;
      const where = row.directory === "." ? root : `${root}/${row.directory}`;
      const run = runClient(client, candidate.uid, where, mounted?.pid ?? 0, [name, String(count), ...rest]);
      const report = await deadline(`${candidate.name}: ${row.name}`, ROW_MS, run, () => mounted?.stacks() ?? "");
      samples.set(row.name, { wall: report.ns / report.ops, cpu: (report.cpuNs + report.serverNs) / report.ops });
    }
    await mounted?.unmount();
    return samples;
  } finally {
    await mounted?.dispose();
    removeTree(storage);
  }
}
