import { expect, test } from "vitest";
import type { Storage } from "../../../src/config/config.ts";
import type { EphemeralGroup } from "../../../src/review/ephemeral.ts";
import { nixLines, suggest } from "../../../src/review/suggest.ts";

const NOW = 1_000_000_000_000;
const group = (path: string, change: Partial<EphemeralGroup> = {}): EphemeralGroup => ({
  path,
  odd: false,
  type: "directory",
  files: 1,
  bytes: 2048,
  newest: NOW / 1000 - 7200,
  used: 0,
  appeared: 0,
  changed: 0,
  program: null,
  method: null,
  note: null,
  configured: false,
  ...change,
});
const prefixed = { removePrefixDirectory: true } as Storage;

test("lines are valid Nix whatever the names hold", () => {
  const lines = nixLines(
    suggest([group(".mozilla", { program: "Firefox" }), group('a"${b}\\c'), group("x y", { type: "file" })], undefined),
    NOW,
  );
  expect(lines).toEqual([
    "directories = [",
    '  ".mozilla" # Firefox, 2.0 KiB, newest 2h',
    '  "a\\"\\${b}\\\\c" # 2.0 KiB, newest 2h',
    "];",
    "files = [",
    '  "x y" # 2.0 KiB, newest 2h',
    "];",
  ]);
});

test("a storage that drops the first component gets one to drop", () => {
  const { directories } = suggest([group(".config/Code", { program: "VS Code" }), group(".config/my app")], prefixed);
  expect(directories.map(({ entry }) => entry)).toEqual(["VS-Code/.config/Code", "my-app/.config/my app"]);
});

test("what no configuration can name is told in a comment, escaped", () => {
  const lines = nixLines(
    suggest(
      [group("a\nb\x1b[2J"), group("l", { type: "link" }), group("\ufffd", { odd: true }), group("d", { type: "others" })],
      undefined,
    ),
    NOW,
  );
  expect(lines).toEqual([
    "# left out: a\\nb\\x1b[2J (a control character in its name)",
    "# left out: l (a link: what it leads to may be kept, not the link)",
    "# left out: \\ufffd (its name is not UTF-8)",
    "# left out: d (too many to name them one by one)",
  ]);
});

test("what does not work on FUSE is suggested as a link", () => {
  expect(nixLines(suggest([group(".local/share/containers", { method: "symlink" })], undefined), NOW)[1]).toMatch(
    /^ {2}\{ directory = "\.local\/share\/containers"; method = "symlink"; \} #/,
  );
});
