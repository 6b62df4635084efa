// Names that were made to be taken for something else: an option, an escape, a line of its own.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { renderStatus } from "../../src/cli/status-table.ts";
import { makeStyle } from "../../src/cli/output.ts";
import { createLog } from "../../src/log.ts";
import { unitText } from "../../src/service/unit.ts";
import { deadline } from "../helpers/deadline.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

/** What a terminal or a reader of lines would act on; a line break is none. */
const UNFIT = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
const FORGED = "FORGED all is well";
/** As a file system may have them. */
const EVIL = [
  `line\n${FORGED}`,
  `\r${FORGED}`,
  "\u001b[2J\u001b]0;title\u0007",
  "c1\u009b31m\u0085next",
  "right\u202eto left\u2066",
  "separator\u2028\u2029",
  "quote\"'`$(id);%n%s",
];
/** As a configuration may name them. */
const NAMES = [
  "a,suid,dev",
  ",allow_other",
  "back\\slash",
  "back\\,comma",
  "octal\\040\\012",
  "sp ace",
  "c1\u009b31m",
  "right\u202eto left",
  "-o suid",
  "--",
  "..dots",
  "${HOME}%u",
  "ü",
];

function expectHarmless(what: string, text: string): void {
  expect(text, what).not.toMatch(UNFIT);
  expect(text, what).not.toMatch(new RegExp(`^${FORGED}`, "m"));
}

const PROGRAM = fileURLToPath(new URL("../../bin/hmpersist.js", import.meta.url));

/** What the chooser leaves on the terminal, byte for byte, when these keys are typed. */
async function chosen(sandbox: Sandbox, keys: string): Promise<string> {
  const command = `stty rows 24 columns 100; exec '${process.execPath}' '${PROGRAM}' ephemeral -i --config '${sandbox.configFile}'`;
  const script = sandbox.spawn("script", ["-qfc", command, "/dev/null"], {}, "pipe");
  let text = "";
  let typed = false;
  script.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    if (typed || !text.includes("f finish")) return;
    typed = true;
    script.stdin?.write(keys);
  });
  await deadline("the end of the chooser", 30_000, once(script, "close"), () => JSON.stringify(text));
  return text
    .slice(text.lastIndexOf("\u001b[?1049l"))
    .replaceAll(/\u001b\[\?(1049l|25h)/g, "")
    .replaceAll("\r\n", "\n");
}

const own = (sandbox: Sandbox): void => void execFileSync("chown", ["-R", `${sandbox.uid}:${sandbox.uid}`, sandbox.storage, sandbox.home]);

describe("5. Names are data.", () => {
  for (const as of ["root", "user"] as const) {
    test(`as ${as}: commas, backslashes and octal escapes in names stay out of the mount options`, () =>
      withSandbox("options", { as }, async (sandbox) => {
        const storage = join(sandbox.storage, "st,suid,allow_other,x\\,y");
        mkdirSync(storage);
        own(sandbox);
        sandbox.writeConfig({ home: sandbox.home, persistence: { [storage]: { directories: NAMES } } });
        const ran = await sandbox.run(["mount", "--config", sandbox.configFile]);
        expect(ran).toMatchObject({ code: 0 });
        expectHarmless("mount", ran.stdout + ran.stderr);
        const mounts = sandbox.mounts();
        const wanted = new Map(NAMES.map((name) => [join(sandbox.home, name), join(storage, name)]));
        expect(new Map(mounts.map(({ mountpoint, source }) => [mountpoint, source]))).toEqual(wanted);
        for (const { options, superOptions, type } of mounts) {
          expect([...options].sort()).toEqual(["nodev", "nosuid", "relatime", "rw"]);
          expect(superOptions.filter((option) => !/^(rw|user_id=\d+|group_id=\d+|default_permissions)$/.test(option))).toEqual([]);
          expect(type).toBe("fuse.hmpersist");
        }
        for (const target of wanted.keys()) expect(await sandbox.exec("touch", ["--", join(target, "file")])).toMatchObject({ code: 0 });
        for (const command of [["status"], ["plan"], ["status", "--json"]]) {
          const { stdout, stderr } = await sandbox.run(command);
          expectHarmless(command.join(" "), stdout + stderr);
        }
        expectHarmless("log", sandbox.log());
        expect((await sandbox.run(["unmount"])).code).toBe(0);
        expect(sandbox.mounts()).toEqual([]);
      }));
  }

  test("names in home and storage reach no terminal and no log unescaped", () =>
    withSandbox("evil", {}, async (sandbox) => {
      mkdirSync(join(sandbox.home, "full"));
      mkdirSync(join(sandbox.storage, "full"));
      mkdirSync(join(sandbox.home, "moved"));
      for (const name of EVIL) {
        for (const directory of [join(sandbox.home, "full"), join(sandbox.home, "moved"), sandbox.home, sandbox.storage]) {
          writeFileSync(join(directory, name), name);
        }
        chownSync(join(sandbox.home, name), 0, 0);
      }
      const directories = ["full", { directory: "moved", onNonEmpty: "adopt" }];
      const config = sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories, files: ["none"] } } });
      for (const command of [
        ["mount", "--config", config],
        ["status"],
        ["plan"],
        ["apply"],
        ["ephemeral"],
        ["ephemeral", "--nix"],
        ["orphans"],
        ["adopt", "--dry-run", "full"],
        ["adopt", "--merge", "keep-home", "full"],
        ["mount", "--config", join(sandbox.base, `no\n${FORGED}\u001b[31m`)],
        ["config", "check", join(sandbox.base, `no\n${FORGED}\u009b31m`)],
        ["unmount"],
      ]) {
        const { stdout, stderr } = await sandbox.run(command);
        expect((stdout + stderr).length, command.join(" ")).toBeGreaterThan(0);
        expectHarmless(command.join(" "), stdout + stderr);
        const json = await sandbox.run([...command, "--json"]);
        expectHarmless(`${command.join(" ")} --json`, json.stdout + json.stderr);
        for (const line of json.stdout.split("\n").slice(0, -1)) expect(() => JSON.parse(line) as unknown, line).not.toThrow();
      }
      const log = sandbox.log();
      expectHarmless("log", log);
      const lines = log.split("\n").filter((line) => line !== "");
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) expect(() => JSON.parse(line) as unknown, line).not.toThrow();
    }));

  test("what ephemeral suggests, and the configuration it writes, can be shown and names what is there", () =>
    withSandbox("suggested", {}, async (sandbox) => {
      const names = ["c1\u009b31mred", "bidi\u202eexe"];
      for (const name of names) writeFileSync(join(sandbox.home, name), "");
      sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: {} } });
      const nix = await chosen(sandbox, "ppfn");
      expectHarmless("n", nix);
      expect(nix).toContain(String.raw`(builtins.fromJSON "\"c1\\u009b31mred\"")`);
      const json = await chosen(sandbox, "ppfj");
      expectHarmless("j", json);
      expect(new Set((JSON.parse(json) as { files: string[] }).files)).toEqual(new Set(names));
      expectHarmless("w", await chosen(sandbox, "ppfw"));
      expectHarmless("configuration", readFileSync(sandbox.configFile, "utf8"));
      expect(await sandbox.run(["config", "check", sandbox.configFile])).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("2 files"),
      });
    }));

  test("log fields: one line each, as JSON and for people", () => {
    for (const human of [false, true]) {
      const written: string[] = [];
      const spy = vi.spyOn(process.stderr, "write").mockImplementation((chunk) => written.push(String(chunk)) > 0);
      try {
        const log = createLog("info", human);
        for (const name of EVIL) log.warn({ target: name, nested: { name }, err: new Error(name) }, "what happened");
      } finally {
        spy.mockRestore();
      }
      expect(written).toHaveLength(EVIL.length);
      for (const [index, line] of written.entries()) {
        expect(line.indexOf("\n"), line).toBe(line.length - 1);
        expectHarmless("log", line);
        if (!human) expect((JSON.parse(line) as { target: string }).target).toBe(EVIL[index]);
      }
    }
  });

  test("the status table: whatever is in a report, only its own colours and line breaks come out", () => {
    const evil = EVIL.join("");
    const entry = {
      type: "directory",
      source: evil,
      storage: evil,
      method: "fuse",
      engine: null,
      state: "missing",
      healthy: false,
    } as const;
    const refusal = { target: evil, source: evil, option: evil, reason: evil, hint: evil };
    const report = {
      version: "0",
      daemon: { pid: 1, since: 0, state: "running" },
      server: null,
      home: `/home/${evil}`,
      configFile: evil,
      entries: [{ ...entry, target: `/home/${evil}/a`, detail: evil, backups: [evil] }],
      refusals: [refusal],
      problems: [evil],
    } as const;
    for (const colour of [false, true]) {
      const text = renderStatus(report, makeStyle({ colour, width: 80 }), 1000);
      expectHarmless("status", colour ? stripVTControlCharacters(text.replaceAll(/\u001b\[\d+m/g, "")) : text);
    }
  });

  test("a unit file: a line break in a path begins no line of its own", () => {
    const text = unitText({ program: ["/usr/bin/node", `/opt/x\nExecStartPre=/evil`], config: `/persist/y\n[Service]\nExecStart=/evil` });
    expect(text).not.toMatch(/^(ExecStartPre|ExecStart=\/evil)/m);
    expect(text.match(/^\[Service\]$/gm)).toHaveLength(1);
    expect(text).toContain(String.raw`\x0aExecStartPre`);
  });
});
