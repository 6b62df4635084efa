// Configurations nobody meant: taken, or refused in words, one line for each mistake; never a stack, never a path that leads out.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import { isBelow, sourceOf, targetOf } from "../../src/config/place.ts";
import { HmpersistError } from "../../src/errors.ts";
import { makeDesired } from "../../src/plan/desired.ts";
import { fuzz, TIMEOUT_MS } from "./fuzz.ts";

const odd = fc.oneof(
  fc.constantFrom(
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "..",
    "a/../..",
    "/",
    "",
    "~",
    "\ud800",
    "a\udfff",
    "\u0000",
    "a\nb",
    "\u001b[2J",
    "\u009b",
  ),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("a", "b/c", ".config", ".config/x"),
);
const known = fc.constantFrom(
  "$schema",
  "home",
  "engine",
  "persistence",
  "ephemeral",
  "ignore",
  "directories",
  "files",
  "directory",
  "file",
  "mode",
  "method",
  "user",
  "group",

  "cache",
  "allowOther",
  "removePrefixDirectory",
  "onNonEmpty",
  "onConflict",
  "parentDirectory",
  "enable",
  "hideMounts",
  "/p",
  "/h/s",
  "/",
);
const leaf = fc.oneof(
  odd,
  known,
  fc.constantFrom<unknown>(null, true, 0, -1, 1e308, "0700", "fuse", "adopt"),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    leaf,
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.array(fc.tuple(fc.oneof({ weight: 4, arbitrary: known }, odd), tie("tree")), { maxLength: 4 }).map((pairs) => {
      const object: Record<string, unknown> = {};
      // "__proto__" as a key of its own, as JSON has it.
      for (const [key, value] of pairs) Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
      return object;
    }),
  ),
}));

function take(text: string): ReturnType<typeof parseConfig> | undefined {
  try {
    return parseConfig(text, "c.json", { HOME: "/h" });
  } catch (error) {
    expect(error).toBeInstanceOf(HmpersistError);
    const { message, code } = error as HmpersistError;
    expect(code).toBe("HMP_CONFIG_INVALID");
    const [first = "", ...rest] = message.split("\n");
    expect(first).toMatch(/^c\.json:/);
    // One line for each mistake: the option, what is wrong, a way out.
    for (const line of rest) expect(line).toMatch(/^ {2}\S.*; \S/);
    expect(message).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]|^\s+at .*:\d+/m);
    return undefined;
  }
}

function expectConfined(config: ReturnType<typeof parseConfig>): void {
  for (const storage of config.storages) {
    for (const path of [...storage.directories.map(({ directory }) => directory), ...storage.files.map(({ file }) => file)]) {
      expect(isBelow(targetOf(config.home, storage, path), config.home)).toBe(true);
      expect(isBelow(sourceOf(storage, path), storage.persistentStoragePath)).toBe(true);
      expect(`/${path}/`).not.toMatch(/\/\.{0,2}\//);
    }
  }
  makeDesired(config, { root: true });
}

describe("7. Input is checked before it is used.", () => {
  test("fuzz: any JSON", { timeout: TIMEOUT_MS }, () =>
    fuzz(
      fc.property(tree, (written) => {
        const config = take(JSON.stringify(written));
        if (config !== undefined) expectConfined(config);
        expect(({} as Record<string, unknown>)["directories"]).toBeUndefined();
      }),
    ),
  );

  test("fuzz: any text", { timeout: TIMEOUT_MS }, () => {
    const good = '{"home":"/h","persistence":{"/p":{"directories":["a",{"directory":"b","mode":"0755"}],"files":["c"]}}}';
    const damage = fc.array(fc.tuple(fc.nat({ max: good.length }), fc.string({ unit: "binary", maxLength: 3 }), fc.nat({ max: 5 })), {
      minLength: 1,
      maxLength: 4,
    });
    return fuzz(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), damage), (written) => {
        const text =
          typeof written === "string"
            ? written
            : written.reduce((now, [at, put, cut]) => now.slice(0, at) + put + now.slice(at + cut), good);
        const config = take(text);
        if (config !== undefined) expectConfined(config);
      }),
    );
  });

  test("what is valid stays valid, whatever is beside it", { timeout: TIMEOUT_MS }, () => {
    const path = fc.stringMatching(/^[a-zA-Z0-9._ ,\\é-]{1,20}$/).filter((name) => !/^\.{1,2}$/.test(name));
    const paths = fc.uniqueArray(path, { maxLength: 8 });
    return fuzz(
      fc.property(paths, fc.constantFrom("0700", "755", "2770"), fc.boolean(), (names, mode, allowOther) => {
        const text = JSON.stringify({ home: "/h", persistence: { "/p": { directories: names, mode, allowOther } } });
        expect(parseConfig(text, "c.json", {}).storages[0]?.directories.map(({ directory }) => directory)).toEqual(names);
      }),
    );
  });

  test("deep, long and wide ones", () => {
    for (const text of [
      "[".repeat(1_000_000),
      `${'{"a":'.repeat(200_000)}0${"}".repeat(200_000)}`,
      `"${"x".repeat(5_000_000)}"`,
      `{"home":"/${"x/".repeat(500_000)}"}`,
      JSON.stringify({ persistence: { "/p": { directories: ["../x".repeat(100_000)] } } }),
      `{${Array.from({ length: 5_000 }, (_, n) => `"k${n}":0`).join(",")}}`,
      JSON.stringify({ persistence: { "/p": { directories: Array.from({ length: 3_000 }, () => "same") } } }),
    ])
      expect(take(text)).toBeUndefined();
    const wide = { home: "/h", persistence: { "/p": { files: Array.from({ length: 5_000 }, (_, n) => `d${n % 50}/f${n}`) } } };
    expect(take(JSON.stringify(wide))?.storages[0]?.files).toHaveLength(5_000);
  });
});
