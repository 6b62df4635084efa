// What others own, as an ordinary user meets it on a mount of his own: the same answers as on the storage itself, in every cache mode.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CacheMode } from "../../src/config/config.ts";
import { withMount } from "../helpers/mounted.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";

const NOBODY = 65_534;
const fixture = (name: string): string => join(import.meta.dirname, "fixtures", name);

/** What differs on the mount, where and why. */
const EXCEPTIONS: readonly { readonly what: RegExp; readonly on: readonly CacheMode[]; readonly why: string }[] = [
  { what: /^program-711$/, on: ["shared", "exclusive"], why: "the server must read a program to hand it out, and as this user it may not" },
  { what: /^device$/, on: ["shared", "exclusive"], why: "mounts of users are nodev" },
  {
    what: /^(acl-w|group-620|others-602|others-622), open (w|append|truncate)$/,
    on: ["exclusive"],
    why: "a write inside a page needs the rest of the page, and the server may not read it",
  },
];

const storages: string[] = [];

/** A storage as root left it to the user. */
function prepared(): string {
  const storage = tempDirectory("others", { base: SHM });
  storages.push(storage);
  execFileSync("sh", [fixture("others-files.sh"), String(NOBODY)], { cwd: storage });
  return storage;
}

function answers(directory: string): Record<string, unknown> {
  // The shell enters the directory as the user, for root may not; and the program comes through stdin, for the user may not read this tree.
  const identity = { uid: NOBODY, gid: NOBODY };
  const input = readFileSync(fixture("others-files.py"));
  const output = execFileSync("sh", ["-c", 'cd "$1" && exec /usr/bin/python3 -', "sh", directory], {
    cwd: "/",
    input,
    timeout: 60_000,
    killSignal: "SIGKILL",
    ...identity,
  });
  const lines = output.toString().trim().split("\n");
  return Object.assign({}, ...lines.map((line) => JSON.parse(line) as object)) as Record<string, unknown>;
}

let storage: Record<string, unknown>;
beforeAll(() => void (storage = answers(prepared())));
afterAll(() => storages.forEach(removeTree));

test.each(["shared", "exclusive"] as const)("%s: an ordinary user is answered as on the storage itself", async (cache) => {
  const mount = await withMount({ engine: "kernel", cache, source: prepared(), uid: NOBODY }, (mountpoint) =>
    Promise.resolve(answers(mountpoint)),
  );
  expect(Object.keys(mount).length).toBeGreaterThan(200);
  const differs = Object.keys(mount).filter((what) => !isDeepStrictEqual(mount[what], storage[what]));
  const excepted = EXCEPTIONS.filter(({ on }) => on.includes(cache));
  expect(differs.filter((what) => !excepted.some((exception) => exception.what.test(what)))).toEqual([]);
  for (const { what, why } of excepted)
    expect(
      differs.some((name) => what.test(name)),
      `no exception any more: ${why}`,
    ).toBe(true);
});
