// Whatever is written in a configuration: it loads, or it is refused in words; never an exception of another kind, never a path that
// leads out of home or storage.
import fc from "fast-check";
import { expect, test } from "vitest";
import { JsonError, parseJson } from "../../src/config/json.ts";
import { parseConfig } from "../../src/config/load.ts";
import { isBelow, sourceOf, targetOf } from "../../src/config/place.ts";
import { HmpersistError } from "../../src/errors.ts";

const check = <T>(property: fc.IProperty<T>): void => fc.assert(property, { numRuns: 5000, interruptAfterTimeLimit: 5000 });

test("the JSON reader takes what JSON.parse takes, to the same value", () => {
  check(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      expect(JSON.stringify(parseJson(text))).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});

test("the JSON reader refuses what JSON.parse refuses, and says where", () => {
  const damage = fc.tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.constantFrom("", ",", "}", '"', "\\", "0", "\u0001", " ", "[", "x"));
  check(
    fc.property(damage, ([text, at, what]) => {
      const place = at % (text.length + 1);
      const damaged = text.slice(0, place) + what + text.slice(what === "" ? place + 1 : place);
      let expected: unknown;
      try {
        expected = JSON.parse(damaged);
      } catch {
        expect(() => parseJson(damaged)).toThrow(JsonError);
        return;
      }
      try {
        expect(JSON.stringify(parseJson(damaged))).toBe(JSON.stringify(expected));
      } catch (error) {
        // Stricter than JSON.parse in one thing only.
        if (!(error instanceof JsonError) || !error.message.endsWith("is there twice")) throw error;
      }
    }),
  );
});

const odd = fc.oneof(
  fc.constantFrom(
    "..",
    ".",
    "",
    "/",
    "~",
    "a",
    "b/c",
    "../x",
    "a/../..",
    "a//b",
    "/h/x",
    "\0",
    "a\nb",
    "__proto__",
    "constructor",
    "x".repeat(300),
  ),
  fc.string({ unit: "binary" }),
  fc.array(fc.constantFrom("..", ".", "", "a", " ", "x y"), { maxLength: 5 }).map((parts) => parts.join("/")),
);
const value: fc.Arbitrary<unknown> = fc.oneof(odd, fc.boolean(), fc.integer(), fc.constant(null), fc.jsonValue({ maxDepth: 2 }));
const options = (known: readonly string[]): fc.Arbitrary<object> =>
  fc.dictionary(fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: odd }), value, {
    maxKeys: 3,
    noNullPrototype: true,
  });
const entries = fc.array(fc.oneof(odd, options(["directory", "file", "method", "mode", "onNonEmpty", "onConflict", "user"])), {
  maxLength: 4,
});
const storage = fc.oneof(
  fc.record({ directories: entries, files: entries, removePrefixDirectory: fc.boolean() }, { requiredKeys: [] }),
  options(["directories", "files", "persistentStoragePath", "mode", "allowOther"]),
);
const config = fc.record(
  {
    home: fc.oneof(fc.constant("/h"), odd),
    persistence: fc.dictionary(fc.oneof(fc.constantFrom("/p", "/q", "/h/s"), odd), storage, { maxKeys: 3, noNullPrototype: true }),
    engine: value,
  },
  { requiredKeys: [] },
);

test("anything at all is taken or refused in words; what is taken stays within home and storage", () => {
  check(
    fc.property(fc.oneof(config, value), (written) => {
      let taken: ReturnType<typeof parseConfig>;
      try {
        taken = parseConfig(JSON.stringify(written) ?? "", "c.json", { HOME: "/h" });
      } catch (error) {
        expect(error).toBeInstanceOf(HmpersistError);
        expect((error as Error).message).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
        return;
      }
      for (const one of taken.storages) {
        for (const path of [...one.directories.map(({ directory }) => directory), ...one.files.map(({ file }) => file)]) {
          expect(isBelow(targetOf(taken.home, one, path), taken.home)).toBe(true);
          expect(isBelow(sourceOf(one, path), one.persistentStoragePath)).toBe(true);
          expect(`/${path}/`).not.toMatch(/\/\.{0,2}\//);
        }
      }
    }),
  );
});
