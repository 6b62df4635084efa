// SECURITY.md is the model; each of its sentences is proved by tests that bear its name.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
/** "1. The control socket is its owner's." and so on. */
const SENTENCES = [...readFileSync(join(ROOT, "SECURITY.md"), "utf8").matchAll(/^(\d+)\. \*\*([^*]+)\*\*/gm)].map(
  ([, number = "", words = ""]) => `${number}. ${words}`,
);
const TESTS = ["test/security", "test/fuzz"].flatMap((folder) =>
  readdirSync(join(ROOT, folder)).flatMap((name) => (name.endsWith(".test.ts") ? [readFileSync(join(ROOT, folder, name), "utf8")] : [])),
);
const NAMED = TESTS.flatMap((text) => [...text.matchAll(/^describe\("(\d+\. [^"]+)"/gm)].map(([, words = ""]) => words));

test("each sentence of SECURITY.md is the name of tests", () => {
  expect(SENTENCES.map((sentence) => Number.parseInt(sentence, 10))).toEqual(SENTENCES.map((_, index) => index + 1));
  expect(SENTENCES.length).toBeGreaterThan(4);
  expect([...new Set(NAMED)].sort()).toEqual([...SENTENCES].sort());
});
