// Configurations that cannot be meant, through the built program: each mistake is one line that names the option and a way out, all of
// them at once, with exit code 2, no stack, and nothing done.
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withSandbox, type Ran, type Sandbox } from "../helpers/sandbox.ts";

const NO_STACK = /\n\s+at .*:\d+:\d+/;

function refused(ran: Ran, ...words: (string | RegExp)[]): void {
  expect(ran.code).toBe(2);
  expect(ran.stdout).toBe("");
  expect(ran.stderr).not.toMatch(NO_STACK);
  expect(ran.stderr).toMatch(/^hmpersist: /);
  for (const each of words) expect(ran.stderr).toMatch(each);
}

const check = (sandbox: Sandbox, config: unknown): Promise<Ran> => sandbox.run(["config", "check", sandbox.writeConfig(config)]);

const storage = (options: object): object => ({ persistence: { "/p": options } });

const CASES: readonly (readonly [string, unknown, string])[] = [
  ["a comma too many", '{\n  "home": "/h",\n}', "config.json:2:15: a comma before the closing brace"],
  ["an empty file", "", "config.json:1:1: expected a value, found the end of the file"],
  ["a key twice", '{"persistence": {"/p": {}, "/p": {}}}', 'config.json:1:28: the key "/p" is there twice'],
  [
    "a number for a mode",
    storage({ mode: 700 }),
    'persistence."/p".mode: expected a string, found the number 700; write the octal digits as a string',
  ],
  [
    "a key nobody knows",
    storage({ directoreis: [] }),
    'persistence."/p".directoreis: there is no such option; did you mean "directories"?',
  ],
  ["a key nobody knows, deeper down", { ephemeral: { x: 1 } }, "ephemeral.x: there is no such option; remove it; known here: ignore\n"],
  ["a path up", storage({ directories: ["../jane"] }), 'persistence."/p".directories[0]: ".." leads out of the storage'],
  ["an absolute path", storage({ files: ["/etc/passwd"] }), 'persistence."/p".files[0]: an absolute path; write it relative to the home'],
  ["an entry twice", storage({ directories: ["a", { directory: "./a/" }] }), 'persistence."/p".directories[1]: listed twice'],
  ["a control character", storage({ files: ["a\u001b[2Jb"] }), 'persistence."/p".files[0]: a control character in a path'],
  ["a file below its directory", storage({ directories: ["a"], files: ["a/b"] }), "remove this entry: the directory holds the file"],
  ["a prefix that is all", storage({ removePrefixDirectory: true, directories: [".x"] }), "nothing is left of"],
  ["a storage that would be hidden", { home: "/h", persistence: { "/h/.p/s": { directories: [".p"] } } }, "would hide the storage /h/.p/s"],
];

test("each mistake is told by its option's path, with a way out", () =>
  withSandbox("bad-config", {}, async (sandbox) => {
    for (const [name, config, words] of CASES) {
      const ran = await check(sandbox, config);
      expect(`${name}: ${ran.stderr}`).toContain(words);
      refused(ran);
      expect(ran.stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
    }
  }));

test("all mistakes are told at once, and mount, plan and apply refuse like check", () =>
  withSandbox("bad-all", {}, async (sandbox) => {
    const file = sandbox.writeConfig({
      home: sandbox.home,
      persistance: {},
      persistence: { [sandbox.storage]: { enable: "yes", directories: ["/x", "good", 3], files: ["good", "a\tb"] } },
    });
    for (const command of [
      ["config", "check", file],
      ["mount", "--config", file],
      ["mount", "--foreground", "--config", file],
      ["plan", "--config", file],
    ]) {
      const ran = await sandbox.run(command);
      refused(
        ran,
        /: 6 problems\n/,
        /persistance: .*"persistence"/,
        /\.enable: /,
        /directories\[0\]: /,
        /directories\[2\]: /,
        /files\[0\]: .*belongs to/,
        /files\[1\]: /,
      );
    }
    expect(readdirSync(sandbox.home)).toEqual([]);
    expect(readdirSync(sandbox.storage)).toEqual([]);
    expect(sandbox.pids()).toEqual([]);
  }));

test("a file that is not there, not readable, not a file or not text", () =>
  withSandbox("bad-file", { as: "user" }, async (sandbox) => {
    const at = (name: string): string => join(sandbox.base, name);
    refused(await sandbox.run(["config", "check"]), /there is no configuration at .*etc\/hmpersist\/config\.json/, /--config;/);
    refused(await sandbox.run(["mount", "--config", at("none/at/all.json")]), /there is no configuration at/);
    mkdirSync(at("directory"));
    refused(await sandbox.run(["config", "check", at("directory")]), /cannot be read: EISDIR/);
    writeFileSync(at("secret.json"), "{}");
    chmodSync(at("secret.json"), 0o000);
    refused(await sandbox.run(["config", "check", at("secret.json")]), /cannot be read: EACCES/);
    writeFileSync(at("latin1.json"), Buffer.from([0x22, 0xe9, 0x22]));
    refused(await sandbox.run(["config", "check", at("latin1.json")]), /is not UTF-8/);
  }));

test("the command line's entries are refused like a file's", () =>
  withSandbox("bad-ad-hoc", {}, async (sandbox) => {
    const ran = await sandbox.run(["mount", "--home", sandbox.home, "--storage", sandbox.storage, "--directory", "../x", "--file", "/y"]);
    refused(ran, /--directory \.\.\/x: "\.\." leads out of the storage/, /--file \/y: an absolute path/);
    expect(readdirSync(sandbox.home)).toEqual([]);
  }));

test("config check refuses what can never be mounted for this user as plan does, with exit code 3; root may", async () => {
  const config = (sandbox: Sandbox): object => ({
    home: sandbox.home,
    persistence: {
      [sandbox.storage]: { directories: ["outer", { directory: "bound", method: "bind" }, { directory: "too", method: "bind" }] },
      [join(sandbox.base, "state")]: { directories: ["outer/inner", "good"] },
    },
  });
  await withSandbox("refused", { as: "user" }, async (sandbox) => {
    const checked = await check(sandbox, config(sandbox));
    expect(checked).toMatchObject({ code: 3, stderr: "" });
    expect(checked.stdout).toMatch(
      /^refused: persistence\.".*storage"\.directories\[1\] \(and 1 more\): a bind mount needs root; use method "fuse"\nrefused: .*fusermount3 cannot mount inside of .*outer.*\n.* is valid in part: 2 directories and 0 files/,
    );
    const refusedLines = (text: string): string[] => text.split("\n").filter((line) => line.startsWith("refused: "));
    const planned = await sandbox.run(["plan", "--config", sandbox.configFile]);
    expect(refusedLines(planned.stdout)).toEqual(refusedLines(checked.stdout));
    const json = await sandbox.run(["config", "check", "--json", sandbox.configFile]);
    expect(json.code).toBe(3);
    const { refusals } = JSON.parse(json.stdout) as { refusals: { target: string }[] };
    expect(refusals.map(({ target }) => target)).toEqual(["bound", "outer/inner", "too"].map((name) => join(sandbox.home, name)));
  });
  await withSandbox("granted", {}, async (sandbox) => {
    const checked = await check(sandbox, config(sandbox));
    expect(checked).toMatchObject({ code: 0, stdout: expect.stringMatching(/is valid: 5 directories/) });
    expect(JSON.parse((await sandbox.run(["config", "check", "--json", sandbox.configFile])).stdout)).toMatchObject({ refusals: [] });
  });
});

test("config check takes --home for the home, as mount does", () =>
  withSandbox("check-home", {}, async (sandbox) => {
    const file = sandbox.writeConfig({ persistence: { [join(sandbox.base, "other/.p/s")]: { directories: [".p"] } } });
    const own = await sandbox.run(["config", "check", file]);
    expect(own).toMatchObject({ code: 0, stdout: expect.stringContaining(` for ${sandbox.home}\n`) });
    refused(await sandbox.run(["config", "check", "--home", "other", file]), /would hide the storage/);
  }));

test("config check tells what is redundant; config schema prints a JSON Schema that refuses the same shapes", () =>
  withSandbox("schema", {}, async (sandbox) => {
    const checked = await check(sandbox, storage({ directories: ["a", "a/b"] }));
    expect(checked).toMatchObject({ code: 0, stderr: "" });
    expect(checked.stdout).toMatch(/is valid: 1 directories and 0 files[^]*note: .*directories\[1\]: .*passed over/);
    const printed = await sandbox.run(["config", "schema"]);
    expect(printed.code).toBe(0);
    const schema = JSON.parse(printed.stdout) as { $schema: string; properties: object; additionalProperties: boolean };
    expect(schema.$schema).toBe("https://json-schema.org/draft/2020-12/schema");
    expect(Object.keys(schema.properties)).toEqual(["$schema", "home", "engine", "persistence", "ephemeral"]);
    expect(schema.additionalProperties).toBe(false);
  }));
