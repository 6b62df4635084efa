// pjdfstest, the public POSIX test suite, on a mount served by root for everybody. It is no part of this repository: HMPERSIST_PJDFSTEST
// names a built tree of it (github.com/pjd/pjdfstest; autoreconf -ifs && ./configure && make pjdfstest). Needs prove (perl).
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { describe, expect, test } from "vitest";
import { withMount } from "../helpers/mounted.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";

const SUITE_MS = 1_800_000;
const tree = env["HMPERSIST_PJDFSTEST"];
const BASES = { tmpfs: SHM, disk: "/var/tmp" };

describe.each([
  { cache: "shared", base: "tmpfs" },
  { cache: "exclusive", base: "tmpfs" },
  { cache: "shared", base: "disk" },
  { cache: "exclusive", base: "disk" },
] as const)("$cache on $base", ({ cache, base }) => {
  test("nothing fails that does not fail on the storage itself", { timeout: SUITE_MS }, async (context) => {
    if (tree === undefined) return context.skip("HMPERSIST_PJDFSTEST names no built tree of pjdfstest");
    expect(existsSync(join(tree, "pjdfstest")), `${tree} is not built`).toBe(true);
    const source = tempDirectory("pjdfstest", { base: BASES[base] });
    try {
      await withMount({ engine: "kernel", cache, source, allowOther: true }, async (mountpoint) => {
        chmodSync(mountpoint, 0o755);
        const run = spawnSync("prove", ["-r", "-Q", join(tree, "tests")], { cwd: mountpoint, encoding: "utf8", timeout: SUITE_MS });
        expect(run.stdout).toMatch(/^Result: PASS$/m);
        await Promise.resolve();
      });
    } finally {
      removeTree(source);
    }
  });
});
