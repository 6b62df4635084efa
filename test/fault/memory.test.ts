// A server that the kernel kills for want of memory is replaced like any other that died, and programs see nothing of it.
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../helpers/deadline.ts";
import { mountData, outcome } from "../helpers/faults.ts";
import { withSandbox } from "../helpers/sandbox.ts";

/** Where memory cgroups can be made here, and the file of the limit; undefined if nowhere. */
function memoryCgroups(): { readonly path: string; readonly limit: string } | undefined {
  const places = [
    { path: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes" },
    { path: "/sys/fs/cgroup", limit: "memory.max" },
  ];
  return places.find(({ path, limit }) => {
    const probe = join(path, `hmpersist-probe-${process.pid}`);
    try {
      mkdirSync(probe);
      const found = existsSync(join(probe, limit));
      rmdirSync(probe);
      return found;
    } catch {
      return false;
    }
  });
}

const cgroups = memoryCgroups();
if (cgroups === undefined) process.stderr.write("skipped: memory: no memory cgroup can be made here\n");

const WORK = `
for n in range(1500):
    with open("file-with-a-long-name-%d" % n, "w") as f: f.write("x" * 20000)
assert len(os.listdir(".")) == 1500
for n in range(1500): assert os.stat("file-with-a-long-name-%d" % n).st_size == 20000`;

test.skipIf(cgroups === undefined)("a server out of memory is taken over, once", { timeout: 120_000 }, () =>
  withSandbox("memory", {}, async (sandbox) => {
    const data = await mountData(sandbox, sandbox.storage, { engine: "kernel", cache: "shared" });
    const { server } = await sandbox.status();
    const group = join(cgroups?.path ?? "", `hmpersist-${process.pid}`);
    mkdirSync(group);
    try {
      writeFileSync(join(group, cgroups?.limit ?? ""), String(1 << 20));
      writeFileSync(join(group, "cgroup.procs"), String(server?.pid));
      expect(await outcome(sandbox, data, WORK)).toBe("ok");
      const after = await sandbox.status();
      expect(after.server).toMatchObject({ restarts: 1, deaths: 1 });
      expect(after.server?.pid).not.toBe(server?.pid);
      expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    } finally {
      await until("the cgroup to be empty", 10_000, () => removed(group));
    }
  }),
);

function removed(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}
