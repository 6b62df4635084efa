// What a home may hold, and how the program may be run, without being led astray.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withSandbox } from "../helpers/sandbox.ts";
import { paths, plant, review } from "./tree.ts";

test("unreadable directories are counted and named, and the rest is told", async () => {
  await withSandbox("unreadable", { as: "user" }, async (sandbox) => {
    plant(sandbox, sandbox.home, { "a/secret/x": 1, "a/y": 2, "top/z": 1, b: 3 });
    chmodSync(join(sandbox.home, "a/secret"), 0);
    chmodSync(join(sandbox.home, "top"), 0);
    const report = await review(sandbox);
    expect(paths(report)).toEqual(["b", "a"]);
    expect(report.unreadable.count).toBe(2);
    expect(report.unreadable.paths).toEqual(
      expect.arrayContaining([
        { path: "a/secret", errno: "EACCES" },
        { path: "top", errno: "EACCES" },
      ]),
    );
    const nix = (await sandbox.run(["ephemeral", "--nix"])).stdout.split("\n").filter((line) => line.startsWith("# "));
    expect(nix.sort()).toEqual(["# could not be read: a/secret (EACCES)", "# could not be read: top (EACCES)"]);
    expect((await sandbox.run(["ephemeral"])).stdout).toMatch(/2 places could not be read\n(.*\n)*.*~\/a\/secret: EACCES/);
  });
});

test("a file name does not drive the terminal, nor break the JSON", async () => {
  await withSandbox("names", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { "new\nline": 1, "esc\x1b[2J\x1b]0;owned\x07": 1, "bidi\u202etxt": 1, "-rf": 1 });
    writeFileSync(Buffer.concat([Buffer.from(`${sandbox.home}/byte`), Buffer.from([0xff, 0x80])]), "x");
    const { stdout } = await sandbox.run(["ephemeral"]);
    expect(stdout).not.toMatch(/[\x1b\x07\u202e]/);
    expect(stdout).toContain("~/new\\nline");
    expect(stdout).toContain("~/esc\\x1b[2J\\x1b]0;owned\\x07");
    const report = await review(sandbox);
    expect(paths(report)).toEqual(expect.arrayContaining(["new\nline", "-rf"]));
    expect(report.groups.filter(({ odd }) => odd)).toHaveLength(1);
    const nix = await sandbox.run(["ephemeral", "--nix"]);
    expect(nix.stdout).not.toContain("\x1b");
    expect(nix.stdout.match(/^# left out:/gm)).toHaveLength(3);
  });
});

test("a tree deeper than anything sane is told, not followed to the end", async () => {
  await withSandbox("deep", {}, async (sandbox) => {
    execFileSync("python3", ["-c", "import os\nfor _ in range(2500):\n os.mkdir('d'); os.chdir('d')"], { cwd: sandbox.home });
    const report = await review(sandbox);
    expect(report.unreadable).toMatchObject({ count: 1, paths: [{ errno: "ENAMETOOLONG" }] });
  });
});

test("changes under its feet are no error", async () => {
  await withSandbox("moving", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`t/${index % 60}/${index}`, 1])));
    const churn = sandbox.spawn("bash", [
      "-c",
      'cd "$HOME/t"; while :; do for i in {0..59}; do mv $i x$i; rm -rf x$i; mkdir $i; : > $i/new; done; done',
    ]);
    for (let round = 0; round < 5; round += 1) expect((await review(sandbox)).unreadable.count).toBe(0);
    expect(churn.exitCode).toBeNull();
  });
});

test("hundreds of thousands of files, in bounded memory and with more names in one place than anybody reads", async () => {
  await withSandbox("many", { homeOptions: "size=2g" }, async (sandbox) => {
    const make =
      "import os\nfor d in range(200):\n p = f'.local/share/app/{d}'; os.makedirs(p)\n for f in range(1000): os.close(os.open(f'{p}/{f}', os.O_CREAT))\n";
    execFileSync("python3", ["-c", `${make}for f in range(20000): os.close(os.open(f'file{f}', os.O_CREAT))`], { cwd: sandbox.home });
    const { stdout } = await sandbox.run(["ephemeral", "--json"], { NODE_OPTIONS: "--max-old-space-size=48" });
    const report = JSON.parse(stdout) as Awaited<ReturnType<typeof review>>;
    expect(report.walked.files).toBe(220_000);
    expect(report.groups.length).toBeLessThan(5100);
    expect(report.groups.find(({ type }) => type === "others")).toMatchObject({ path: "" });
    expect(report.totals.files).toBe(220_000);
  });
});

test("a home of somebody else is named, with a way out", async () => {
  await withSandbox("strange-home", { as: "user" }, async (sandbox) => {
    const other = join(sandbox.base, "other");
    mkdirSync(other, { mode: 0o700 });
    const stderr = `hmpersist: the home ${other} cannot be read: EACCES\n  hint: check \`home\` in the configuration and $HOME, or name another with --home\n`;
    expect(await sandbox.run(["ephemeral"], { HOME: other })).toEqual({ code: 4, stdout: "", stderr });
    // No home at all is "/": the whole machine is not walked.
    const root = await sandbox.run(["ephemeral"], { HOME: "/" });
    expect(root).toMatchObject({ code: 4, stderr: expect.stringMatching(/the home is the root directory\n +hint: check `home`/) });
  });
});

test("no home, no configuration, a wrong configuration", async () => {
  await withSandbox("none", {}, async (sandbox) => {
    expect((await sandbox.run(["ephemeral", "--home", "/nowhere"])).code).toBe(4);
    writeFileSync(join(sandbox.base, "file"), "");
    expect((await sandbox.run(["ephemeral", "--home", join(sandbox.base, "file")])).code).toBe(4);
    const empty = await sandbox.run(["ephemeral"]);
    expect([empty.code, empty.stdout]).toEqual([0, expect.stringMatching(/nothing would be gone at reboot/)]);
    expect((await sandbox.run(["ephemeral", "--config", "/nowhere"])).code).toBe(2);
    mkdirSync(join(sandbox.base, "etc/hmpersist"), { recursive: true });
    writeFileSync(join(sandbox.base, "etc/hmpersist/config.json"), "{");
    expect((await sandbox.run(["ephemeral"])).code).toBe(2);
  });
});
