// A hostile fusermount3: whatever answers in its name, a mount is refused in one line, in time, and no descriptor stays.
import { chmodSync, copyFileSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HmpersistError } from "../../src/errors.ts";
import { createMounter } from "../../src/mount/mount.ts";
import { openDirectory } from "../../src/sys/walk.ts";
import { readMountinfo } from "../../src/sys/mountinfo.ts";
import { deadline } from "../helpers/deadline.ts";
import { removeTree, tempDirectory } from "../helpers/temp.ts";
import { fuzz, TIMEOUT_MS } from "./fuzz.ts";

const NOBODY = 64_321;
/** Longer than a mount may take: its deadline is ten seconds. */
const LATE_MS = 20_000;
/** What the helper says is shown up to 1,000 characters. */
const LONGEST = 1_200;

interface Order {
  readonly closeFirst?: boolean;
  readonly messages?: readonly { readonly bytes: readonly number[]; readonly descriptors: readonly string[] }[];
  readonly says?: readonly number[];
  readonly times?: number;
  readonly leavesChild?: boolean;
  readonly hangs?: boolean;
  readonly signal?: number;
  readonly exit?: number;
}

let base: string;

beforeAll(() => {
  base = tempDirectory("helper", { uid: NOBODY });
  mkdirSync(join(base, "mnt"));
  // The kernel honours no set-uid bit of a script; who looks for fusermount3 wants to see one.
  copyFileSync(join(import.meta.dirname, "fake-fusermount3.py"), join(base, "fusermount3"));
  chmodSync(join(base, "fusermount3"), 0o4755);
  expect(statSync(join(base, "fusermount3")).uid).toBe(0);
});
afterAll(() => removeTree(base));
// Only an ordinary user asks fusermount3.
beforeEach(() => process.seteuid?.(NOBODY));
afterEach(() => {
  process.seteuid?.(0);
  delete process.env["FAKE_FUSERMOUNT"];
});

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

/** How a mount through such a helper fails. */
async function refusal(order: Order): Promise<HmpersistError> {
  process.env["FAKE_FUSERMOUNT"] = JSON.stringify(order);
  const mount = createMounter(async (path) => openDirectory(base, path), { PATH: base });
  const request = { root: base, mountpoint: join(base, "mnt"), fsname: "fake", allowOther: false, hints: [] };
  const error = await deadline(
    "an answer",
    LATE_MS,
    mount(request).then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  expect(error).toBeInstanceOf(HmpersistError);
  const { message, hint = "" } = error as HmpersistError;
  expect(`${message}${hint}`).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
  expect(message.length).toBeLessThan(LONGEST);
  return error as HmpersistError;
}

const said = (text: string): number[] => [...Buffer.from(text)];

describe("6. The helper is not trusted.", () => {
  test("nothing, too much, or something else than a descriptor of /dev/fuse", async () => {
    const one = (descriptors: readonly string[], bytes = [0]): Order => ({ messages: [{ bytes, descriptors }] });
    const cases: [Order, RegExp][] = [
      [{}, /sent no descriptor/],
      [{ closeFirst: true }, /sent no descriptor/],
      [one([]), /sent no descriptor/],
      [one(["/dev/null"]), /something other than/],
      [one(["pipe"]), /something other than/],
      [one(["self"]), /something other than/],
      [one(["fuse", "fuse"]), /something other than/],
      [one(["fuse", ...Array.from({ length: 200 }, () => "memfd")]), /something other than/],
      [one(["fuse"]), /is not where it was/],
      [{ ...one(["fuse"]), exit: 1 }, /ended with exit code 1/],
      [{ ...one(["fuse"]), signal: 9 }, /ended with SIGKILL/],
      [
        { ...one(["fuse"]), exit: 3, says: said("fusermount3: no\u001b[31m\nhmpersist: all is well\n") },
        /: no\\x1b\[31m; hmpersist: all is well$/,
      ],
    ];
    await refusal({});
    const before = openDescriptors();
    for (const [order, words] of cases) expect((await refusal(order)).message).toMatch(words);
    expect(openDescriptors()).toBe(before);
    expect(readMountinfo().filter(({ source }) => source === "fake")).toEqual([]);
  });

  test("one that hangs, and one whose child keeps its end open, are given up on", { timeout: 60_000 }, async () => {
    await refusal({});
    const before = openDescriptors();
    const late = [{ hangs: true }, { leavesChild: true }, { leavesChild: true, exit: 1, says: said("x") }];
    const refused = await Promise.all(late.map((order) => refusal(order)));
    for (const { message } of refused) expect(message).toMatch(/did not end in time/);
    expect(openDescriptors()).toBe(before);
  });

  test("a flood of words is cut", async () => {
    for (const flood of [said("\u001b[2J\u009b0m\n"), said("\u202e"), [0xff], said("x")])
      expect((await refusal({ says: flood, times: 200_000, exit: 1 })).message).toMatch(/…$/);
  });

  test("fuzz: any bytes, descriptors, words and ends", { timeout: TIMEOUT_MS }, async () => {
    const descriptors = fc.array(fc.constantFrom("fuse", "pipe", "socket", "memfd", "self", "/", "/dev/null", "/proc/self/maps"), {
      maxLength: 5,
    });
    const byte = fc.integer({ min: 0, max: 255 });
    const order = fc.record(
      {
        closeFirst: fc.boolean(),
        messages: fc.array(fc.record({ bytes: fc.array(byte, { maxLength: 20 }), descriptors }), { maxLength: 3 }),
        says: fc.array(byte, { maxLength: 50 }),
        times: fc.integer({ min: 1, max: 500 }),
        signal: fc.constantFrom(0, 0, 0, 1, 6, 9, 11, 15),
        exit: fc.integer({ min: 0, max: 255 }),
      },
      { requiredKeys: [] },
    );
    await refusal({});
    const before = openDescriptors();
    await fuzz(
      fc.asyncProperty(order, async (one) => {
        await refusal(one);
        expect(openDescriptors()).toBe(before);
      }),
    );
  });
});
