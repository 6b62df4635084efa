// Files that were looked up and forgotten again leave no node, no handle, no descriptor, and no more memory than the first round of
// them had to have: records, indexes and names are used again. 20,000 here, HMPERSIST_KNOWN_FILES=100000 for the full number.
import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";
import { counts, descriptors, forgetAll, pss } from "./health.ts";

const FILES = Number(process.env["HMPERSIST_KNOWN_FILES"] ?? 20_000);
const ROUNDS = 3;
/** A record, a link, a name and the descriptor index in the tables; buckets and free lists on the heap: about 200 bytes a file. */
const FIRST_MIB = 16 + (FILES * 200) / 2 ** 20;
/** What V8 has not collected yet. */
const SLACK_MIB = 8;

const MAKE = `
import os, sys
os.chdir(sys.argv[1])
for n in range(int(sys.argv[2])):
    if n % 1000 == 0: os.mkdir("directory-%d" % (n // 1000))
    os.close(os.open("directory-%d/a-file-with-a-name-%d" % (n // 1000, n), os.O_CREAT | os.O_WRONLY))
`;
const LOOK = `
import os, sys
found = 0
for directory in os.scandir(sys.argv[1]):
    for entry in os.scandir(directory.path):
        entry.stat(); found += 1
print(found)
`;

/** Bytes of memory that the tables of the server's mounts take up. */
function tables(pid: number): number {
  const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`);
  return fds.filter((path) => readlinkSync(path).startsWith("/memfd:")).reduce((sum, path) => sum + statSync(path).blocks * 512, 0);
}

async function round(sandbox: Sandbox, pid: number): Promise<{ pssMiB: number; tables: number; descriptors: number }> {
  const looked = await sandbox.exec("python3", ["-c", LOOK, join(sandbox.home, "data")]);
  expect(looked.stdout.trim(), looked.stderr).toBe(String(FILES));
  expect(counts(await sandbox.status()).get(join(sandbox.home, "data"))?.nodes).toBeGreaterThan(FILES);
  forgetAll(sandbox);
  await sandbox.statusUntil("all forgotten", (report) => {
    const found = [...counts(report).values()];
    return found.length === 1 && found.every(({ nodes, handles }) => nodes === 1 && handles === 0);
  });
  const { fuse, memory, files, other } = descriptors(pid);
  return { pssMiB: pss(pid), tables: tables(pid), descriptors: fuse + memory + files.length + other };
}

test.each(["shared", "exclusive"] as const)("%s", { timeout: 180_000 }, (cache) =>
  withSandbox("memory", {}, async (sandbox) => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "nr_inodes=0", "tmpfs", sandbox.storage]);
    const directories = [{ directory: "data", cache }];
    sandbox.writeConfig({ home: sandbox.home, engine: "kernel", persistence: { [sandbox.storage]: { directories } } });
    expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
    execFileSync("python3", ["-c", MAKE, join(sandbox.storage, "data"), String(FILES)]);
    const pid = (await sandbox.status()).server?.pid ?? 0;
    const before = { pssMiB: pss(pid), descriptors: descriptors(pid) };
    const rounds = [];
    for (let n = 0; n < ROUNDS; n += 1) rounds.push(await round(sandbox, pid));
    const [first, last] = [rounds[0]!, rounds.at(-1)!];
    const told = rounds.map(({ pssMiB, tables }) => `${pssMiB.toFixed(1)} MiB, tables ${(tables / 2 ** 20).toFixed(1)} MiB`).join("; ");
    process.stdout.write(`${cache}, ${FILES} files: ${before.pssMiB.toFixed(1)} MiB at first; after each round ${told}\n`);
    expect(before.descriptors.files.length, before.descriptors.files.join()).toBeLessThan(10);
    expect(first.pssMiB - before.pssMiB, told).toBeLessThan(FIRST_MIB);
    expect(last.pssMiB - first.pssMiB, told).toBeLessThan(SLACK_MIB);
    expect(last.tables, told).toBeLessThanOrEqual(first.tables * 1.05);
    expect(last.descriptors).toBeLessThanOrEqual(first.descriptors);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);
