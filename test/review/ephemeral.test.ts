// What would be gone at reboot: grouping, what is passed over, filters, output.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withSandbox } from "../helpers/sandbox.ts";
import { paths, plant, review } from "./tree.ts";

test("groups by the directory one would persist, with size, count and program", async () => {
  await withSandbox("groups", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, {
      ".mozilla/firefox/profile/places.sqlite": 4000,
      ".mozilla/firefox/profile/prefs.js": 500,
      ".config/Code/User/settings.json": 300,
      ".config/kwinrc": 20,
      ".local/share/Steam/steam.log": 100,
      ".var/app/org.gimp.GIMP/config/x": 10,
      "Documents/a/b/c": 7,
      "notes.txt": 3,
      ".empty/nothing": null,
    });
    const report = await review(sandbox);
    expect(report.groups.map(({ path, type, files, bytes, program }) => [path, type, files, bytes, program])).toEqual([
      [".mozilla", "directory", 2, 4500, "Firefox"],
      [".config/Code", "directory", 1, 300, "VS Code"],
      [".local/share/Steam", "directory", 1, 100, "Steam"],
      [".config/kwinrc", "file", 1, 20, "KWin"],
      [".var/app/org.gimp.GIMP", "directory", 1, 10, "org.gimp.GIMP"],
      ["Documents", "directory", 1, 7, null],
      ["notes.txt", "file", 1, 3, null],
    ]);
    expect(report.totals).toEqual({ groups: 7, files: 8, bytes: 4940 });
    expect(report.filesystem).toEqual({ type: "tmpfs", volatile: true });
    const now = Date.now() / 1000;
    for (const { newest } of report.groups) expect(now - newest).toBeLessThan(60);
  });
});

test("our links, links into the nix store and mounts are passed over; links of one's own, a replaced one and an entry without its mount are not", async () => {
  await withSandbox("kept", {}, async (sandbox) => {
    const config = {
      home: sandbox.home,
      persistence: {
        [sandbox.storage]: {
          directories: [".mozilla", ".config/Code", ".atom/packages", { directory: ".kept", method: "symlink" }],
          files: [".bashrc", ".atom/config.cson", ".profile"],
        },
      },
    };
    plant(sandbox, sandbox.home, {
      ".bashrc": `-> ${sandbox.storage}/.bashrc`,
      ".kept": `-> ${sandbox.storage}/.kept`,
      ".own-link": `-> ${sandbox.storage}/elsewhere`,
      ".profile": `-> ${sandbox.storage}/.bashrc`,
      ".zshrc": "-> /nix/store/0000-home-manager-files/.zshrc",
      ".nix-profile": "-> /nix/var/nix/profiles/per-user/jane/profile",
      ".look-alike": `-> ${sandbox.storage}-2/x`,
      ".atom/config.cson": "a program has saved by rename",
      ".atom/init.js": 5,
      ".config/Code/settings": 6,
      ".mozilla/never-seen": 7,
      "loop/a": "-> ../loop",
      "loop/b": "-> b",
    });
    mkdirSync(join(sandbox.home, "disk"));
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", join(sandbox.home, ".mozilla")]);
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", join(sandbox.home, "disk")]);
    writeFileSync(join(sandbox.home, "disk/never-seen"), "x");
    const report = await review(sandbox, "--config", sandbox.writeConfig(config), "--sort", "name");
    expect(report.groups.map(({ path, type, note }) => [path, type, note])).toEqual([
      [".atom/config.cson", "file", "configured, but a plain file stands where the link belongs"],
      [".atom/init.js", "file", null],
      [".config/Code", "directory", "configured, but not mounted now"],
      [".look-alike", "link", null],
      [".own-link", "link", null],
      [".profile", "link", "configured, but another link stands where the link belongs"],
      ["loop", "directory", null],
    ]);
    expect(report.skipped.keptLinks).toBe(4);
    // Without a configuration nothing is known to put a link back.
    const unconfigured = await review(sandbox);
    expect(paths(unconfigured)).toEqual(expect.arrayContaining([".bashrc", ".kept", ".own-link"]));
    expect(unconfigured.skipped.keptLinks).toBe(2);
  });
});

test("a mount that never answers is not even looked at", async () => {
  await withSandbox("stuck", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { "a/stuck/x": null, "a/b": 5 });
    const target = join(sandbox.home, "a/stuck");
    // The mount exists as long as somebody holds the descriptor, and nobody reads from it.
    const holder = sandbox.spawn("bash", [
      "-c",
      `exec 7<>/dev/fuse; mount -i -t fuse -o fd=7,rootmode=40000,user_id=0,group_id=0 stuck '${target}' && echo mounted; sleep 1000`,
    ]);
    await new Promise((resolve) => holder.stdout?.once("data", resolve));
    const report = await review(sandbox);
    expect(report.groups.map(({ path, bytes }) => [path, bytes])).toEqual([["a/b", 5]]);
  });
});

test("ignore patterns: caches by default, the user's on top, which may take the defaults back; --all ignores nothing", async () => {
  await withSandbox("ignore", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, {
      ".cache/a/b": 1,
      ".config/chromium/Default/Cache/f_1": 100,
      ".config/chromium/Default/History": 10,
      "Projects/x/build/out.o": 4,
      "Projects/x/main.c": 2,
      ".npm/_cacache/y": 3,
    });
    const configured = (ignore: string[]): string => sandbox.writeConfig({ home: sandbox.home, persistence: {}, ephemeral: { ignore } });
    const sizes = async (...args: string[]): Promise<Record<string, number>> =>
      Object.fromEntries((await review(sandbox, ...args)).groups.map(({ path, bytes }) => [path, bytes]));
    expect(await sizes()).toEqual({ ".config/chromium": 10, Projects: 6 });
    expect(await sizes("--config", configured(["*.o", "!/.cache/"]))).toEqual({ ".cache/a": 1, ".config/chromium": 10, Projects: 2 });
    expect(await sizes("--config", configured(["build/"]))).toEqual({ ".config/chromium": 10, Projects: 2 });
    expect(await sizes("--all")).toEqual({ ".cache/a": 1, ".config/chromium": 110, Projects: 6, ".npm": 3 });
  });
});

test("--since, --min-size, --sort and --nix", async () => {
  await withSandbox("filters", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { big: 3000, ".mozilla/x": 20, "a dir/${HOME}": 100 });
    expect(paths(await review(sandbox, "--min-size", "1k"))).toEqual(["big"]);
    expect(paths(await review(sandbox, "--sort", "name"))).toEqual([".mozilla", "a dir", "big"]);
    // The age is that of the last change of any kind: setting a modification time into the past is a change now.
    utimesSync(join(sandbox.home, "big"), 1, 1);
    expect(paths(await review(sandbox, "--sort", "age"))[0]).toBe("big");
    expect(paths(await review(sandbox, "--since", "1h"))).toHaveLength(3);
    expect(paths(await review(sandbox, "--since", new Date(Date.now() + 60_000).toISOString()))).toEqual([]);
    const nix = await sandbox.run(["ephemeral", "--nix"]);
    expect(nix.stdout.replace(/ #.*/g, "")).toBe('directories = [\n  "a dir"\n  ".mozilla"\n];\nfiles = [\n  "big"\n];\n');
    for (const args of [
      ["--since", "soon"],
      ["--min-size", "much"],
      ["--sort", "colour"],
      ["--storage", "/nowhere"],
    ]) {
      expect((await sandbox.run(["ephemeral", ...args])).code).toBe(2);
    }
  });
});

test("the home may be reached through a link, and mounts below it are still known", async () => {
  await withSandbox("linked", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { a: 1, "m/x": 1 });
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", join(sandbox.home, "m")]);
    writeFileSync(join(sandbox.home, "m/y"), "y");
    const link = join(sandbox.base, "link");
    symlinkSync(sandbox.home, link);
    expect(paths(await review(sandbox, "--home", link))).toEqual(["a"]);
  });
});

test("baselines: what appeared, what changed, what went away; and a hook at shutdown", async () => {
  await withSandbox("baseline", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { ".app/a": 1, ".app/b": 1, ".app/gone": 1, ".quiet/x": 1 });
    expect((await sandbox.run(["ephemeral", "--exit-code"])).code).toBe(8);
    expect((await review(sandbox, "--save-baseline")).saved).toBe(join(sandbox.base, "state/hmpersist/baseline"));
    const nothing = await sandbox.run(["ephemeral", "--diff", "--exit-code"]);
    expect(nothing).toMatchObject({ code: 0, stdout: expect.stringMatching(/baseline taken (just now|\d+[sm] ago), and not kept$/m) });
    plant(sandbox, sandbox.home, { ".app/b": "changed", ".app/sub/new": 1, ".new/y": 1 });
    execFileSync("rm", [join(sandbox.home, ".app/gone")]);
    const report = await review(sandbox, "--diff", "--sort", "name");
    expect(report.groups.map(({ path, files, appeared, changed }) => [path, files, appeared, changed])).toEqual([
      [".app", 2, 1, 1],
      [".new", 1, 1, 0],
    ]);
    expect(report.baseline?.gone).toBe(1);
    const hook = await sandbox.run(["ephemeral", "--diff", "--exit-code"]);
    expect(hook.code).toBe(8);
    expect(hook.stdout).toMatch(/is new or changed since the baseline/);

    const file = join(sandbox.base, "elsewhere/base");
    await review(sandbox, "--save-baseline", file);
    expect(paths(await review(sandbox, "--diff", file))).toEqual([]);
    // A slip of the hand must not cost a file.
    const precious = join(sandbox.base, "precious");
    writeFileSync(precious, "notes");
    expect(await sandbox.run(["ephemeral", "--save-baseline", precious])).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/no baseline/),
    });
    expect(readFileSync(precious, "utf8")).toBe("notes");
    await review(sandbox, "--save-baseline", file);
    // A baseline of another home compares nothing with nothing.
    const other = await sandbox.run(["ephemeral", "--home", sandbox.base, "--diff", file]);
    expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/is the baseline of another home/)]);
    writeFileSync(file, readFileSync(file).subarray(0, -1));
    expect((await sandbox.run(["ephemeral", "--diff", file])).code).toBe(2);
    expect((await sandbox.run(["ephemeral", "--diff", "/nowhere"])).code).toBe(2);
  });
});

test("what is kept in a storage on tmpfs is not said to be safe", async () => {
  await withSandbox("forgetful", {}, async (sandbox) => {
    const storage = join(sandbox.home, ".persist");
    mkdirSync(storage);
    const config = sandbox.writeConfig({ home: sandbox.home, persistence: { [storage]: { directories: ["data"] } } });
    const { code, stdout } = await sandbox.run(["ephemeral", "--config", config, "--exit-code"]);
    expect(stdout).toBe(`\u2718 the storage ${storage} is on a tmpfs: what is kept there is gone at reboot as well\n`);
    expect([code, (await review(sandbox, "--config", config)).volatileStorages]).toEqual([8, [storage]]);
  });
});

test("a baseline that cannot be saved is one line, and leaves nothing behind", async () => {
  await withSandbox("unsaved", { as: "user", homeOptions: "size=256k" }, async (sandbox) => {
    plant(sandbox, sandbox.home, { file: 1, ...Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`.app/${index}`, 5000])) });
    const closed = join(sandbox.base, "closed");
    mkdirSync(closed, { mode: 0o700 });
    symlinkSync("loop", join(sandbox.home, "loop"));
    const refused = async (code: number, file: string, words: RegExp): Promise<void> => {
      const ran = await sandbox.run(["ephemeral", "--save-baseline", file]);
      expect(ran).toMatchObject({ code, stderr: expect.stringMatching(words) });
      expect(ran.stderr).not.toMatch(/internal error|\n +at /);
    };
    await refused(4, join(closed, "x/y"), /cannot be looked at: EACCES\n +hint: name another file/);
    await refused(4, join(sandbox.home, "file/x"), /cannot be looked at: ENOTDIR/);
    await refused(4, join(sandbox.home, "loop"), /cannot be looked at: ELOOP/);
    execFileSync("sh", ["-c", `head -c 1m /dev/zero >${sandbox.home}/full 2>/dev/null || :`]);
    await refused(4, join(sandbox.home, "base"), /home\/base cannot be written: ENOSPC\n +hint: make room/);
    expect(readdirSync(sandbox.home).filter((name) => name.startsWith("base"))).toEqual([]);
  });
});
