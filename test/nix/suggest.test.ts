// The lines `hmpersist ephemeral --nix` prints are Nix, and name what is there.
import { rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import type { EphemeralGroup } from "../../src/review/ephemeral.ts";
import { nixLines, suggest } from "../../src/review/suggest.ts";
import { evaluateText, makeState, noNix } from "./nix.ts";

const state = makeState();
afterAll(() => rmSync(state, { recursive: true }));

const group = (path: string, type: EphemeralGroup["type"], method: EphemeralGroup["method"] = null): EphemeralGroup => ({
  path,
  odd: false,
  type,
  files: 1,
  bytes: 1,
  newest: 0,
  used: 0,
  appeared: 0,
  changed: 0,
  program: "a\u009bprogram",
  method,
  note: null,
  configured: false,
});
const NAMES = ["plain", "sp ace", 'a"${b}\\c', "c1\u009b31mred", 'bidi\u202e"exe${x}\\n', "replaced\ufffd"];

test.skipIf(noNix !== undefined)(noNix ?? "every name comes back", () => {
  const groups = [...NAMES.map((name) => group(name, "file")), ...NAMES.map((name) => group(`d/${name}`, "directory", "symlink"))];
  const lines = nixLines(suggest(groups, undefined), 0);
  expect(lines.join("\n")).not.toMatch(/[\u0080-\u009f\u202e]/);
  const value = evaluateText<{ files: string[]; directories: { directory: string }[] }>(state, `{ ${lines.join("\n")} }`);
  expect(value.files).toEqual(NAMES);
  expect(value.directories.map(({ directory }) => directory)).toEqual(NAMES.map((name) => `d/${name}`));
});
