// Somebody exchanges directories of home and storage for links to a victim while entries are made, mounted, linked, healed, adopted and
// taken away. The victim stays as it was, and what was refused is refused in words.
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { adopt } from "../../src/adopt/adopt.ts";
import { HmpersistError } from "../../src/errors.ts";
import { placeLink, removeLink } from "../../src/link/apply.ts";
import { healLink } from "../../src/link/heal.ts";
import { reach } from "../../src/link/reach.ts";
import { createMounter } from "../../src/mount/mount.ts";
import { unmount } from "../../src/mount/unmount.ts";
import type { LinkSpec, MountSpec } from "../../src/plan/types.ts";
import { readMountinfo } from "../../src/sys/mountinfo.ts";
import { statFd } from "../../src/sys/stat.ts";
import { openDirectory, openWithin, ParentError } from "../../src/sys/walk.ts";
import { SysError } from "../../src/sys/errno.ts";
import { makeGrounds, type Grounds } from "../link/place.ts";
import { Victim, whileExchanging } from "./exchange.ts";

const MS = 800;
/** Until both have happened, on a busy machine. */
const PATIENCE_MS = 10_000;
/** Entries lie two directories deep; the upper one is exchanged. */
const DEEP = "a/b";

let grounds: Grounds;
let victim: Victim;
let exchanged: string[];

beforeEach(() => {
  grounds = makeGrounds("race");
  victim = new Victim(join(grounds.base, "victim"), ["b"]);
  for (const root of [grounds.home, grounds.storage]) mkdirSync(join(root, DEEP), { recursive: true });
  exchanged = [grounds.home, grounds.storage].map((root) => join(root, "a"));
});
afterEach(() => {
  const own = readMountinfo().filter(({ mountpoint }) =>
    [grounds.base, dirname(grounds.home)].some((base) => mountpoint.startsWith(`${base}/`)),
  );
  for (const { mountpoint } of own) execFileSync("umount", ["-i", "-l", "-c", mountpoint]);
  grounds.remove();
});

/** Does `once` with 0, 1, 2 ... below `different`, again and again, until it has been both done (true) and refused (false). */
async function race(once: (number: number) => boolean | Promise<boolean>, different = 50_000): Promise<void> {
  const count = { done: 0, refused: 0 };
  victim.remember();
  const exchanges = await whileExchanging(exchanged, victim.path, async () => {
    const end = Date.now() + MS;
    const both = (): boolean => count.done > 0 && count.refused > 0;
    for (let number = 0; Date.now() < (both() ? end : end + PATIENCE_MS); number += 1) {
      count[(await once(number % different)) ? "done" : "refused"] += 1;
      // The exchanger may share this processor.
      if (number % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  expect(victim.harm()).toEqual([]);
  expect(exchanges).toBeGreaterThan(0);
  expect(count.done, JSON.stringify({ ...count, exchanges })).toBeGreaterThan(0);
  expect(count.refused, JSON.stringify({ ...count, exchanges })).toBeGreaterThan(0);
}

const numbered = (count: number, prefix: string): string[] => Array.from({ length: count }, (_, number) => `${DEEP}/${prefix}${number}`);

describe("2. Nothing is written outside home and storage.", () => {
  test("directories for mounts, in home and storage", () =>
    race((number) => {
      const root = number % 2 === 0 ? grounds.home : grounds.storage;
      return reach({ type: "make", root, path: join(root, DEEP, `made${number}`), mode: 0o700 }).result === "made";
    }));

  test("what is mounted from is a directory of the storage", async () => {
    const inside = statFd(openWithin(grounds.storage, join(grounds.storage, DEEP))).ino;
    await race(() => {
      try {
        const fd = openWithin(grounds.storage, join(grounds.storage, DEEP));
        expect(statFd(fd).ino).toBe(inside);
        closeSync(fd);
        return true;
      } catch (error) {
        if (error instanceof ParentError || error instanceof SysError) return false;
        throw error;
      }
    });
  });

  test("links placed", () =>
    race((number) => {
      const { result } = placeLink(grounds.spec(`${DEEP}/file${number}`), grounds.home);
      return result === "placed";
    }));

  test("links healed", async () => {
    const files = numbered(1_500, "file");
    for (const name of files) writeFileSync(join(grounds.home, name), `new ${name}`);
    await race((number) => {
      const outcome = healLink(grounds.spec(files[number] ?? ""), grounds.home, { known: undefined, backups: [] });
      return outcome.result === "healed";
    }, files.length);
  });

  test("links taken away", async () => {
    const links = numbered(1_000, "file").map((name) => grounds.spec(name));
    for (const { target, source } of links) {
      symlinkSync(source, target);
      symlinkSync(source, join(victim.path, "b", basename(target)));
    }
    await race((number) => {
      const { target, source } = links[number] as LinkSpec;
      return removeLink(target, source, grounds.home).result === "removed";
    }, links.length);
  });

  test("directories adopted", async () => {
    const directories = numbered(60, "directory");
    for (const name of directories) {
      mkdirSync(join(grounds.home, name));
      for (const file of ["file", "other"]) writeFileSync(join(grounds.home, name, file), "adopted");
    }
    await race(async (number) => {
      const { source, target, storage } = grounds.spec(directories[number] ?? "");
      const spec = { kind: "mount", source, target, storage } as MountSpec;
      try {
        await adopt(spec, grounds.home, { merge: undefined, ignoreWriters: false });
        return true;
      } catch (error) {
        if (error instanceof HmpersistError || error instanceof SysError) return false;
        throw error;
      }
    }, directories.length);
    // Nothing is lost: each is at home or in storage, with all it had.
    const kept = [grounds.home, grounds.storage].flatMap((root) =>
      readdirSync(join(root, DEEP), { withFileTypes: true }).filter((entry) => /^directory\d+$/.test(entry.name) && entry.isDirectory()),
    );
    const full = kept.filter(({ parentPath, name }) => readdirSync(join(parentPath, name)).length === 2).map(({ name }) => name);
    expect(new Set(full).size).toBe(directories.length);
  });

  test("mounts made and taken away by root", async () => {
    const open = async (path: string): Promise<number> => openDirectory(grounds.home, path);
    const mountpoints = numbered(400, "mount").map((name) => join(grounds.home, name));
    for (const path of mountpoints) {
      mkdirSync(path);
      mkdirSync(join(victim.path, "b", basename(path)));
    }
    const mount = createMounter(open);
    await race(async (number) => {
      const mountpoint = mountpoints[number] ?? "";
      const request = { root: grounds.home, mountpoint, fsname: "race", allowOther: false, hints: [] };
      let mounted = true;
      await mount(request).then(closeSync, (error: unknown) => {
        if (!(error instanceof ParentError || error instanceof SysError)) throw error;
        mounted = false;
      });
      expect(victim.harm()).toEqual([]);
      const gone = await unmount(mountpoint, true, open);
      return mounted && gone === "unmounted";
    }, mountpoints.length);
    const left = readMountinfo().filter(({ source, mountpoint }) => source === "race" && mountpoint.startsWith(grounds.home));
    for (const { mountpoint } of left) expect(await unmount(mountpoint, true, open)).toBe("unmounted");
  });
});
