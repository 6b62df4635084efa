import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { adHocConfig, loadConfig, parseConfig } from "../../../src/config/load.ts";
import { HmpersistError } from "../../../src/errors.ts";

const env = { HOME: "/home/jane" };
const wiki = new URL("../../fixtures/wiki.json", import.meta.url).pathname;

/** The lines of the error that `value` as a configuration gives, without the first. */
function problemsOf(value: unknown): string[] {
  try {
    parseConfig(typeof value === "string" ? value : JSON.stringify(value), "c.json", env);
  } catch (error) {
    if (!(error instanceof HmpersistError)) throw error;
    expect(error.code).toBe("HMP_CONFIG_INVALID");
    const [first, ...lines] = error.message.split("\n");
    expect(first).toMatch(/^c\.json/);
    return lines.length > 0 ? lines.map((one) => one.trim()) : [first as string];
  }
  return [];
}

test("the wiki's configuration loads: 22 directories and 59 files", async () => {
  const config = await loadConfig(wiki, env);
  expect(config.storages.flatMap(({ directories }) => directories)).toHaveLength(22);
  expect(config.storages.flatMap(({ files }) => files)).toHaveLength(59);
  expect(config.notes).toEqual([]);
  expect(config.storages[0]?.directories[3]).toEqual({
    directory: "Firefox/.mozilla",
    method: "fuse",
    mode: 0o700,
    parentMode: 0o700,
    cache: "shared",
    onNonEmpty: "refuse",
    hideMount: false,
    allowTrash: false,
    option: 'persistence."/nix/dotfiles".directories[3]',
  });
});

test("an empty object is a configuration of nothing", () => {
  expect(parseConfig("{}", "c.json", env)).toEqual({
    home: "/home/jane",
    engine: "auto",
    storages: [],
    ephemeral: { ignore: [] },
    notes: [],
  });
});

test("the words of NixOS's module are understood", () => {
  const storage = {
    persistentStoragePath: "/p//a/./b/",
    hideMounts: true,
    allowTrash: true,
    enableWarnings: false,
    allowOther: null,
    mode: "0755",
    defaultDirectoryMethod: "bindfs",
    directories: [{ directory: "a/", method: "symlink", mode: "0500", hideMount: false, user: null, group: null }, "./b"],
    files: [{ file: "f", method: "auto", parentDirectory: { mode: "0711" } }],
  };
  const [resolved] = parseConfig(JSON.stringify({ persistence: { any: storage } }), "c.json", env).storages;
  expect(resolved).toMatchObject({
    key: "any",
    persistentStoragePath: "/p/a/b",
    allowOther: false,
    directories: [
      { directory: "a", method: "symlink", mode: 0o500, parentMode: 0o755, hideMount: false, allowTrash: true },
      { directory: "b", method: "fuse", mode: 0o755, hideMount: true },
    ],
    files: [{ file: "f", parentMode: 0o711, onConflict: "refuse" }],
  });
});

test("a storage that is not enabled is checked and left out", () => {
  expect(parseConfig('{"persistence":{"/p":{"enable":false,"directories":["x"]}}}', "c.json", env).storages).toEqual([]);
  expect(problemsOf({ persistence: { "/p": { enable: false, directories: ["/x"] } } })).toHaveLength(1);
});

test("an entry below one of the same storage is dropped with a note; others keep the place they were written at", () => {
  const config = parseConfig('{"persistence":{"/p":{"directories":["a/b", "a", "c"]}}}', "c.json", env);
  expect(config.storages[0]?.directories.map(({ option }) => option)).toEqual([
    'persistence."/p".directories[1]',
    'persistence."/p".directories[2]',
  ]);
  expect(config.notes).toEqual([
    'persistence."/p".directories[0]: persistence."/p".directories[1] brings /home/jane/a back, and this with it; passed over',
  ]);
});

test("a mount over the user's units is worth a note", () => {
  expect(parseConfig('{"persistence":{"/p":{"directories":[".config"]}}}', "c.json", env).notes).toHaveLength(1);
});

const p = (storage: object): object => ({ persistence: { "/p": storage } });

test.each<[string, unknown, string[]]>([
  ["not an object", "[]", ["expected an object, found a list; see `hmpersist config schema`"]],
  ["a misspelt key", p({ directorys: ["a"] }), ['persistence."/p".directorys: there is no such option; did you mean "directories"?']],
  [
    "a key of another level",
    { directories: [] },
    ['directories: there is no such option; it is an option of a storage: persistence."/path"'],
  ],
  [
    "a number for a path",
    p({ files: [3] }),
    ['persistence."/p".files[0]: expected a path or an object, found the number 3; see `hmpersist config schema`'],
  ],
  [
    "a mode as a number",
    p({ mode: 755 }),
    ['persistence."/p".mode: expected a string, found the number 755; write the octal digits as a string, e.g. "0700"'],
  ],
  [
    "a symbolic mode",
    p({ mode: "u=rwx" }),
    ['persistence."/p".mode: found the string "u=rwx"; permissions are octal digits in a string, e.g. "0700"'],
  ],
  [
    "a method that is none",
    p({ directories: [{ directory: "a", method: "nfs" }] }),
    ['persistence."/p".directories[0].method: found the string "nfs"; use one of "fuse", "bindfs", "symlink", "bind"'],
  ],
  [
    "an entry without its path",
    p({ directories: [{ mode: "0700" }] }),
    ['persistence."/p".directories[0].directory: is missing; add it: a string'],
  ],
  [
    "a yes",
    p({ allowOther: "yes" }),
    ['persistence."/p".allowOther: expected true or false or null, found the string "yes"; correct its type'],
  ],
  [
    "an absolute path in the home",
    p({ directories: ["/home/jane/x"] }),
    ['persistence."/p".directories[0]: an absolute path; write it relative to the home: "x"'],
  ],
  [
    "an absolute path elsewhere",
    p({ files: ["/etc/x"] }),
    ['persistence."/p".files[0]: an absolute path; write it relative to the home, without the leading slash'],
  ],
  [
    "a path up",
    p({ directories: ["a/../../b"] }),
    ['persistence."/p".directories[0]: ".." leads out of the storage; write the path without it'],
  ],
  ["the home itself", p({ directories: ["./."] }), ['persistence."/p".directories[0]: names the home itself; name something in the home']],
  ["nothing", p({ directories: [""] }), ['persistence."/p".directories[0]: an empty path; name something in the home']],
  [
    "a NUL",
    p({ files: ["a\0b"] }),
    ['persistence."/p".files[0]: a control character in a path; rename the file or directory, then name it here'],
  ],
  [
    "a newline in a storage",
    { persistence: { "/a\nb": {} } },
    ['persistence."/a\\nb": a control character in a path; rename the file or directory, then name it here'],
  ],
  [
    "half a surrogate pair",
    '{"persistence":{"/p":{"files":["\\ud800"]}}}',
    ['persistence."/p".files[0]: half of a surrogate pair in a path; write the character as UTF-8'],
  ],
  [
    "a tilde",
    { persistence: { "~/p": {} } },
    ['persistence."~/p": not an absolute path; write it from the root, starting with a slash (~ and variables are not expanded)'],
  ],
  [
    "a relative home",
    { home: "jane" },
    ["home: not an absolute path; write it from the root, starting with a slash (~ and variables are not expanded)"],
  ],
  [
    "a prefix that is all there is",
    p({ removePrefixDirectory: true, directories: ["x"] }),
    [
      'persistence."/p".directories[0]: nothing is left of "x" once removePrefixDirectory has dropped its first component; put it into a directory of the storage, or list it in a storage without removePrefixDirectory',
    ],
  ],
  [
    "a file that ends in a slash",
    p({ files: ["x/"] }),
    ['persistence."/p".files[0]: a file\'s path ends in a slash; remove the slash, or list it under `directories`'],
  ],
  [
    "another user",
    p({ directories: [{ directory: "a", user: "nobody-of-this-name" }] }),
    [
      'persistence."/p".directories[0].user: "nobody-of-this-name" is another user; remove the option: everything belongs to the user hmpersist runs as',
    ],
  ],
  [
    "a shadowing link",
    p({ directories: [{ directory: "a", method: "symlink", onNonEmpty: "shadow" }] }),
    [
      'persistence."/p".directories[0].onNonEmpty: a link cannot stand over a directory, so "shadow" has no meaning here; use "refuse" or "adopt", or method "fuse"',
    ],
  ],
  [
    "an entry twice",
    p({ files: ["a", "a"] }),
    ['persistence."/p".files[1]: listed twice: persistence."/p".files[0] is the same; remove one of them'],
  ],
  [
    "one target of two storages",
    { persistence: { "/p": { directories: ["a"] }, "/q": { removePrefixDirectory: true, files: ["x/a"] } } },
    ['persistence."/q".files[0]: /home/jane/a belongs to persistence."/p".directories[0] already; remove one of them'],
  ],
  [
    "a file below its own directory",
    p({ directories: ["a"], files: ["a/b"] }),
    [
      'persistence."/p".files[0]: /home/jane/a/b is below /home/jane/a, which persistence."/p".directories[0] brings back whole; remove this entry: the directory holds the file',
    ],
  ],
  [
    "a file below a mount of another storage",
    { persistence: { "/p": { directories: ["a"] }, "/q": { files: ["a/b"] } } },
    [
      'persistence."/q".files[0]: /home/jane/a/b is below /home/jane/a, which persistence."/p".directories[0] mounts: the link would land in that storage; move the file into the storage of the directory and remove this entry',
    ],
  ],
  [
    "something below a file",
    p({ files: ["a"], directories: ["a/b"] }),
    [
      'persistence."/p".directories[0]: /home/jane/a/b is below /home/jane/a, which persistence."/p".files[0] lists as a file; list that one as a directory, or remove one of them',
    ],
  ],
  [
    "a mount below a link",
    { persistence: { "/p": { directories: [{ directory: "a", method: "symlink" }] }, "/q": { directories: ["a/b"] } } },
    [
      'persistence."/q".directories[0]: /home/jane/a/b is below /home/jane/a, which persistence."/p".directories[0] makes a link: this would land in that storage; give the outer directory the method "fuse"',
    ],
  ],
  [
    "a target over a storage",
    { persistence: { "/home/jane/.p/q": { directories: [".p"] } } },
    [
      'persistence."/home/jane/.p/q".directories[0]: /home/jane/.p would hide the storage /home/jane/.p/q; keep the storage outside of what is brought back',
    ],
  ],
  [
    "a target served through itself",
    { persistence: { "/home": { removePrefixDirectory: true, directories: ["jane/x", "y/jane"] } } },
    [
      'persistence."/home".directories[0]: /home/jane/x would hide the storage /home/jane/x; keep the storage outside of what is brought back',
    ],
  ],
])("%s is refused with a way out", (_, value, expected) => {
  expect(problemsOf(value)).toEqual(expected);
});

test("all problems are told at once, whatever their kind", () => {
  const found = problemsOf({
    home: 3,
    persistance: {},
    persistence: { "/p": { enable: 1, directories: ["/x", 3, "a"], files: ["a", { file: "..", mod: "1" }] } },
  });
  expect(found.map((one) => one.slice(0, one.indexOf(": ")))).toEqual([
    "home",
    "persistance",
    'persistence."/p".enable',
    'persistence."/p".directories[0]',
    'persistence."/p".directories[1]',
    'persistence."/p".files[1].mod',
    'persistence."/p".files[1]',
    'persistence."/p".files[0]',
  ]);
});

test.each([
  ['{"home": "/h",}', "c.json:1:14: a comma before the closing brace"],
  ["{\n  \"home\": 'x'\n}", "c.json:2:11: expected a value"],
  ['{"home": "/h"', 'c.json:1:14: expected "," or "}", found the end of the file'],
  ['{"a": 1, "a": 2}', 'c.json:1:10: the key "a" is there twice'],
  ['{"a": "x\ny"}', "c.json:1:9: a string is not closed on its line"],
  ['{"a": "\\q"}', "c.json:1:8: no such escape in a string"],
  ['{"a": 0700}', "c.json:1:8: no such number in JSON (a mode is written as a string)"],
  ["", "c.json:1:1: expected a value, found the end of the file"],
  ["{} {}", "c.json:1:4: expected the end of the file"],
  ["[".repeat(10_000), "c.json:1:66: nested deeper than 64"],
])("malformed JSON is located: %s", (text, expected) => {
  expect(problemsOf(text)).toEqual([expected]);
});

test("what cannot be read says why, and a fifo is not waited for", async () => {
  await expect(loadConfig("/nonexistent/config.json", env)).rejects.toThrow(expect.objectContaining({ code: "HMP_CONFIG_MISSING" }));
  await expect(loadConfig("/", env)).rejects.toThrow(
    expect.objectContaining({ code: "HMP_CONFIG_INVALID", message: "/ cannot be read: EISDIR" }),
  );
  const fifo = join(mkdtempSync(join(tmpdir(), "hmp-fifo-")), "fifo");
  execFileSync("mkfifo", [fifo]);
  await expect(loadConfig(fifo, env)).rejects.toThrow(/cannot be read: it is not a file/);
  rmSync(dirname(fifo), { recursive: true });
});

test("the command line makes the same configuration, and is named in its problems", () => {
  const config = adHocConfig(
    { home: "/h", storage: "/s", directories: ["A/.x"], files: ["B/f"], removePrefixDirectory: true, allowOther: true },
    env,
  );
  expect(config).toMatchObject({
    home: "/h",
    storages: [{ allowOther: true, directories: [{ directory: "A/.x" }], files: [{ file: "B/f" }] }],
  });
  expect(() => adHocConfig({ storage: "/s", directories: ["../x"], files: ["/y"] }, env)).toThrow(
    'the command line: 2 problems\n  --directory ../x: ".." leads out of the storage; write the path without it\n  --file /y: an absolute path;',
  );
});
