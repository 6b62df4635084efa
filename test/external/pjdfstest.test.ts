// pjdfstest, the public POSIX test suite. On a mount served by root for everybody nothing fails; on an ordinary user's mount exactly what
// fails for that user on the storage itself. It is no part of this repository: HMPERSIST_PJDFSTEST names a built tree of it
// (github.com/pjd/pjdfstest; autoreconf -ifs && ./configure && make pjdfstest) which everybody may read. Needs prove (perl).
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { beforeAll, describe, expect, test } from "vitest";
import { withMount } from "../helpers/mounted.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";
import { pjdfstest, type Failures } from "./pjdfstest.ts";

const SUITE_MS = 3_600_000;
const NOBODY = 65_534;
const tree = env["HMPERSIST_PJDFSTEST"] ?? "";
const BASES = { tmpfs: SHM, disk: "/var/tmp" };

async function inNew<T>(base: keyof typeof BASES, uid: number | undefined, body: (directory: string) => Promise<T>): Promise<T> {
  const directory = tempDirectory("pjdfstest", { base: BASES[base], ...(uid === undefined ? {} : { uid }) });
  try {
    return await body(directory);
  } finally {
    removeTree(directory);
  }
}

/** What the suite runs only where df(1) calls the filesystem EXT4, UFS or ZFS: does rename move ctime? */
const ONLY_BY_NAME = /^rename\/22\.t /;

/** Cases that fail in one run and in the other do not, or fail in another way. */
const without = (one: Failures["failed"], other: Failures["failed"]): string[] =>
  [...one].filter(([name, what]) => !ONLY_BY_NAME.test(name) && other.get(name) !== what).map(([name, what]) => `${name}${what}`);

describe.skipIf(tree === "")("HMPERSIST_PJDFSTEST names a built tree of pjdfstest", () => {
  beforeAll(() => expect(existsSync(join(tree, "pjdfstest")), `${tree} is not built`).toBe(true));

  describe.each([
    { cache: "shared", base: "tmpfs" },
    { cache: "exclusive", base: "tmpfs" },
    { cache: "shared", base: "disk" },
    { cache: "exclusive", base: "disk" },
  ] as const)("$cache on $base, by root for everybody", ({ cache, base }) => {
    test("nothing fails", { timeout: SUITE_MS }, () =>
      inNew(base, undefined, (source) =>
        withMount({ engine: "kernel", cache, source, allowOther: true }, async (mountpoint) => {
          chmodSync(mountpoint, 0o755);
          const { ran, failed } = await pjdfstest(tree, mountpoint);
          expect(Object.fromEntries(failed)).toEqual({});
          expect(ran).toBeGreaterThan(8_000);
        }),
      ),
    );
  });

  describe.each(["tmpfs", "disk"] as const)("on %s, as an ordinary user", (base) => {
    let storage: Failures;
    beforeAll(async () => {
      storage = await inNew(base, NOBODY, (directory) => pjdfstest(tree, directory, NOBODY));
    }, SUITE_MS);
    test.each(["shared", "exclusive"] as const)("%s: what fails is what fails on the storage itself", { timeout: SUITE_MS }, (cache) =>
      inNew(base, NOBODY, (source) =>
        withMount({ engine: "kernel", cache, source, uid: NOBODY }, async (mountpoint) => {
          const { ran, failed } = await pjdfstest(tree, mountpoint, NOBODY);
          expect({ "on the mount only": without(failed, storage.failed), "on the storage only": without(storage.failed, failed) }).toEqual({
            "on the mount only": [],
            "on the storage only": [],
          });
          expect(ran).toBeGreaterThan(8_000);
        }),
      ),
    );
  });
});
