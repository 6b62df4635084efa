// What is missing or broken around the program: each gives one clear line, a way out, the documented exit code and no stack, and leaves
// nothing behind that the next run does not repair.
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { withSandbox, type Ran, type Sandbox } from "../helpers/sandbox.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/hmpersist.js", import.meta.url));

const data = (sandbox: Sandbox, more: object = {}): string =>
  sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data"], files: ["notes"], ...more } } });

function expectComplaint(ran: Ran, code: number, words: RegExp): void {
  expect(ran.stdout + ran.stderr).toMatch(words);
  expect(ran.stdout + ran.stderr).not.toMatch(/\n\s+at .*:\d+:\d+/);
  expect(ran.code).toBe(code);
}

const NO_FUSERMOUNT = ["fusermount3", "fusermount"]
  .map((name) => `[ ! -e /usr/bin/${name} ] || mount --bind /dev/null /usr/bin/${name}`)
  .join("\n");
const NO_SETUID = `cp /usr/bin/fusermount3 "$XDG_STATE_HOME/plain"; chmod 755 "$XDG_STATE_HOME/plain"
for name in fusermount3 fusermount; do [ ! -e /usr/bin/$name ] || mount --bind "$XDG_STATE_HOME/plain" /usr/bin/$name; done`;
const NO_DEVICE = `mount -t tmpfs tmpfs /dev; for d in null:3 zero:5 random:8 urandom:9; do mknod -m 666 /dev/\${d%:*} c 1 \${d#*:}; done`;

test("without fusermount3 the links are there, the mount names what to install, exit code 4", () =>
  withSandbox("no-fusermount", { as: "user" }, async (sandbox) => {
    expectComplaint(
      await sandbox.runIn(NO_FUSERMOUNT, ["mount", "--config", data(sandbox)]),
      4,
      /fusermount3 was not found[^]*apt install fuse3/,
    );
  }));

test("a fusermount3 without its set-uid bit is named, with the command that mends it", () =>
  withSandbox("no-setuid", { as: "user" }, async (sandbox) => {
    expectComplaint(await sandbox.runIn(NO_SETUID, ["mount", "--config", data(sandbox)]), 4, /not set-uid root[^]*chmod 4755/);
  }));

test("without /dev/fuse the kernel module is named", () =>
  withSandbox("no-device", {}, async (sandbox) => {
    expectComplaint(
      await sandbox.runIn(NO_DEVICE, ["mount", "--config", data(sandbox)]),
      4,
      /\/dev\/fuse[^]*modprobe fuse|no FUSE engine can run here[^]*\/dev\/fuse/,
    );
  }));

test("a mount inside of one with allowOther names the line that is missing in /etc/fuse.conf", () =>
  withSandbox("no-allow-other", { as: "user" }, async (sandbox) => {
    const [outer, inner] = ["outer", "inner"].map((name) => join(sandbox.base, name)) as [string, string];
    for (const path of [outer, inner]) sandbox.ownDirectory(path);
    const persistence = { [outer]: { allowOther: true, directories: ["data"] }, [inner]: { directories: ["data/in"] } };
    const config = sandbox.writeConfig({ home: sandbox.home, persistence });
    const ran = await sandbox.runIn("mount --bind /dev/null /etc/fuse.conf", ["mount", "--config", config]);
    expectComplaint(ran, 4, /the outer one needs allowOther and the line 'user_allow_other' in \/etc\/fuse\.conf/);
  }));

test("a home that does not exist is refused and not made", () =>
  withSandbox("no-home", {}, async (sandbox) => {
    const home = join(sandbox.base, "nowhere");
    const config = sandbox.writeConfig({ home, persistence: { [sandbox.storage]: { directories: ["data"] } } });
    expectComplaint(await sandbox.run(["mount", "--config", config]), 3, /the home .*nowhere does not exist/);
    expect(existsSync(home)).toBe(false);
  }));

test("a home that cannot be written is said so, and later it works", () =>
  withSandbox("ro-home", { as: "user" }, async (sandbox) => {
    const config = data(sandbox);
    chmodSync(sandbox.home, 0o500);
    const first = await sandbox.run(["mount", "--config", config]);
    expectComplaint(first, 7, /EACCES|not writable|permission denied/i);
    chmodSync(sandbox.home, 0o700);
    expect(await sandbox.run(["apply"])).toMatchObject({ code: 0 });
    expect(sandbox.mounts()).toHaveLength(1);
  }));

test("a persistentStoragePath that does not exist is refused and never made", () =>
  withSandbox("no-storage", {}, async (sandbox) => {
    const storage = join(sandbox.base, "disk");
    const config = sandbox.writeConfig({ home: sandbox.home, persistence: { [storage]: { directories: ["data"] } } });
    expectComplaint(await sandbox.run(["mount", "--config", config]), 3, /disk does not exist/);
    expect(existsSync(storage)).toBe(false);
    mkdirSync(storage);
    expect(await sandbox.run(["apply"])).toMatchObject({ code: 0 });
    expect(sandbox.mounts()).toHaveLength(1);
  }));

test("a storage that cannot be read is refused", () =>
  withSandbox("unreadable", { as: "user" }, async (sandbox) => {
    const config = data(sandbox);
    chmodSync(sandbox.storage, 0);
    expectComplaint(await sandbox.run(["mount", "--config", config]), 3, /EACCES|cannot be/);
  }));

test("a mountpoint that holds data is refused, its entries named, nothing touched, the rest mounted", () =>
  withSandbox("non-empty", {}, async (sandbox) => {
    const config = data(sandbox, { directories: ["data", "other"] });
    mkdirSync(join(sandbox.home, "data"));
    writeFileSync(join(sandbox.home, "data/thesis.txt"), "years of work");
    expectComplaint(await sandbox.run(["mount", "--config", config]), 3, /thesis\.txt/);
    expect(readFileSync(join(sandbox.home, "data/thesis.txt"), "utf8")).toBe("years of work");
    expect(sandbox.mounts().map((mount) => mount.mountpoint)).toEqual([join(sandbox.home, "other")]);
    const status = await sandbox.status();
    expect(status.entries.find((entry) => entry.target.endsWith("/data"))).toMatchObject({ state: "refused", healthy: false });
  }));

test("the command that a refusal names is ready for a shell, whatever the names hold", () =>
  withSandbox("quoted", {}, async (sandbox) => {
    const config = data(sandbox, { directories: ["It's my data"], files: ["a file"] });
    mkdirSync(join(sandbox.home, "It's my data"));
    writeFileSync(join(sandbox.home, "It's my data/thesis"), "years of work");
    writeFileSync(join(sandbox.home, "a file"), "text");
    const { code, stdout } = await sandbox.run(["mount", "--config", config]);
    const commands = [...stdout.matchAll(/\(hmpersist (adopt .*)\), or set/g)].map(([, words = ""]) => words);
    expect([code, commands.length]).toEqual([3, 2]);
    for (const words of commands)
      expect(await sandbox.exec("sh", ["-c", `${process.execPath} ${PROGRAM} ${words}`])).toMatchObject({ code: 0 });
    expect(readFileSync(join(sandbox.storage, "It's my data/thesis"), "utf8")).toBe("years of work");
    expect(readFileSync(join(sandbox.storage, "a file"), "utf8")).toBe("text");
  }));

test('onNonEmpty "shadow" mounts over the data, which is there again afterwards', () =>
  withSandbox("shadow", {}, async (sandbox) => {
    const config = data(sandbox, { directories: [{ directory: "data", onNonEmpty: "shadow" }] });
    mkdirSync(join(sandbox.home, "data"));
    writeFileSync(join(sandbox.home, "data/below"), "");
    expect(await sandbox.run(["mount", "--config", config])).toMatchObject({ code: 0 });
    expect((await sandbox.exec("ls", [join(sandbox.home, "data")])).stdout).toBe("");
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    expect(readdirSync(join(sandbox.home, "data"))).toEqual(["below"]);
  }));

test("a full tmpfs: what does not fit is said, and after there is room apply completes it", () =>
  withSandbox("full", { homeOptions: "size=1m,nr_inodes=32" }, async (sandbox) => {
    const config = data(sandbox);
    await sandbox.exec("sh", ["-c", `mkdir "$HOME/many"; i=0; while [ $i -lt 40 ]; do : >"$HOME/many/$i"; i=$((i+1)); done`]);
    expectComplaint(await sandbox.run(["mount", "--config", config]), 7, /ENOSPC|no space/i);
    rmSync(join(sandbox.home, "many"), { recursive: true });
    expect(await sandbox.run(["apply"])).toMatchObject({ code: 0 });
  }));

test("a second daemon is refused and the first one named; exit code 6", () =>
  withSandbox("second", {}, async (sandbox) => {
    const config = data(sandbox);
    expect(await sandbox.run(["mount", "--config", config])).toMatchObject({ code: 0 });
    const { daemon } = await sandbox.status();
    expectComplaint(
      await sandbox.run(["mount", "--config", config]),
      6,
      new RegExp(`running already \\(pid ${daemon?.pid}\\)[^]*hmpersist apply`),
    );
    expect(sandbox.mounts()).toHaveLength(1);
  }));

test("a socket and a lock left by a daemon that was killed are taken over", () =>
  withSandbox("stale", {}, async (sandbox) => {
    const config = data(sandbox);
    const daemon = sandbox.daemon();
    await sandbox.statusUntil("the daemon", (report) => report.entries.some((entry) => entry.state === "mounted"));
    daemon.kill("SIGKILL");
    await once(daemon, "exit");
    expect(existsSync(join(sandbox.base, "run/hmpersist/control.sock"))).toBe(true);
    expectComplaint(await sandbox.run(["status"]), 5, /no hmpersist daemon/);
    expect(await sandbox.run(["mount", "--config", config])).toMatchObject({ code: 0 });
    expect(sandbox.mounts()).toHaveLength(1);
  }));

test("without a daemon status tells a mount that is still served from a dead one, and knows nobody else's", () =>
  withSandbox("left", { as: "user" }, async (sandbox) => {
    expect(await sandbox.run(["mount", "--config", data(sandbox)])).toMatchObject({ code: 0 });
    const { daemon, server } = await sandbox.status();
    process.kill(daemon?.pid ?? 0, "SIGKILL");
    const { entries } = await sandbox.statusUntil("no daemon", (report) => report.daemon === null);
    const detail = expect.stringMatching(/hmpersist mount/) as unknown;
    expect(entries).toMatchObject([{ target: join(sandbox.home, "data"), state: "mounted", healthy: false, detail }]);
    const env = { ...process.env, HOME: sandbox.home, XDG_RUNTIME_DIR: join(sandbox.base, "of-root") };
    const asRoot = spawnSync(process.execPath, [PROGRAM, "status", "--json"], { env, encoding: "utf8" });
    expect(JSON.parse(asRoot.stdout)).toMatchObject({ daemon: null, entries: [] });
    process.kill(server?.pid ?? 0, "SIGKILL");
    await sandbox.statusUntil("the server is gone", (report) => report.entries[0]?.state === "dead");
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0, stdout: "1 unmounted\n" });
  }));

test("commands that need a daemon say that there is none; exit code 5", () =>
  withSandbox("no-daemon", {}, async (sandbox) => {
    expectComplaint(await sandbox.run(["apply"]), 5, /no hmpersist daemon is running[^]*hmpersist mount/);
    const status = await sandbox.run(["status"]);
    expectComplaint(status, 5, /no hmpersist daemon is running/);
    // Nobody has looked for a configuration.
    expect(status.stdout).not.toMatch(/config/);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0, stdout: "0 unmounted\n" });
  }));

test("output that cannot be written is said in one line, exit code 4; a reader that has read enough is no error", () =>
  withSandbox("output", {}, async (sandbox) => {
    const full = 'mknod "$XDG_STATE_HOME/full" c 1 7; exec >"$XDG_STATE_HOME/full"; rm "$XDG_STATE_HOME/full"';
    for (const args of [["config", "schema"], ["ephemeral", "--json"], ["orphans", "--json"], ["status"], ["--help"]]) {
      const { code, stderr } = await sandbox.runIn(full, args);
      expect([args, code, stderr.match(/^hmpersist: the output could not be written: ENOSPC$/gm)?.length]).toEqual([args, 4, 1]);
      expect(stderr).not.toMatch(/\n\s+at .*:\d+:\d+/);
    }
    // Such a disk takes the beginning of what is written and reports no error.
    const filling = 'mount -t tmpfs -o size=4k tmpfs "$XDG_STATE_HOME"; exec >"$XDG_STATE_HOME/file"';
    expect(await sandbox.runIn(filling, ["config", "schema"])).toMatchObject({ code: 4, stderr: expect.stringContaining("ENOSPC") });
    const closed =
      'mkfifo "$XDG_STATE_HOME/pipe"; : <"$XDG_STATE_HOME/pipe" & exec >"$XDG_STATE_HOME/pipe"; wait; rm "$XDG_STATE_HOME/pipe"';
    expect(await sandbox.runIn(closed, ["config", "schema"])).toEqual({ code: 0, stdout: "", stderr: "" });
  }));

test("in a directory that was deleted commands work, and a relative path is one line, exit code 4", () =>
  withSandbox("no-cwd", {}, async (sandbox) => {
    const config = data(sandbox);
    const run = (...args: string[]): Promise<Ran> =>
      sandbox.exec("sh", ["-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh", process.execPath, PROGRAM, ...args]);
    for (const args of [
      ["mount", "--config", "x.json"],
      ["mount", "--foreground", "--storage", "x", "--file", "f"],
      ["plan", "--config", "x.json"],
      ["config", "check", "x.json"],
      ["adopt", "--config", config, "x"],
      ["unmount", "x"],
      ["apply", "--config", "x.json"],
      ["ephemeral", "--diff", "x"],
      ["service", "install", "--config", "x.json"],
    ]) {
      const ran = await run(...args);
      expectComplaint(ran, 4, /^hmpersist: the working directory was deleted\n {2}hint: cd to/);
    }
    for (const args of [["mount"], ["plan"], ["orphans"], ["ephemeral"], ["doctor"], ["config", "check"]])
      expect(await run(...args, "--config", config), args.join(" ")).toMatchObject({ code: 0 });
    expect(await run("unmount", join(sandbox.home, "data"))).toMatchObject({ code: 0, stdout: "1 unmounted\n" });
  }));

test("a runtime directory whose path is too long for a socket is named, exit code 4", () =>
  withSandbox("long-runtime", {}, async (sandbox) => {
    const config = data(sandbox);
    const sockets = "/hmpersist/handover.sock";
    const name = "x".repeat(107 - sandbox.base.length - "/".length - sockets.length);
    for (const [path, code] of [
      [`${name}x`, 4],
      [name, 0],
    ] as const) {
      const env = { XDG_RUNTIME_DIR: join(sandbox.base, path) };
      sandbox.ownDirectory(env.XDG_RUNTIME_DIR);
      const mounted = await sandbox.run(["mount", "--config", config], env);
      if (code === 0) expect(mounted).toMatchObject({ code });
      else expectComplaint(mounted, code, new RegExp(`${path}${sockets} has 108 bytes.*at most 107\n +hint: set XDG_RUNTIME_DIR`));
      await sandbox.run(["unmount"], env);
    }
  }));

test("wrong usage is exit code 2 with a suggestion", () =>
  withSandbox("usage", {}, async (sandbox) => {
    expectComplaint(await sandbox.run(["mont"]), 2, /mount/);
    expectComplaint(await sandbox.run(["mount", "--nope"]), 2, /unknown option/);
    expectComplaint(await sandbox.run(["mount", "--directory", "x"]), 2, /need --storage/);
    expectComplaint(await sandbox.run(["mount"]), 2, /no configuration/);
    // The words after "--" are the command's, not those of the daemon it starts.
    expectComplaint(await sandbox.run(["mount", "--config", data(sandbox), "--"]), 0, /1 mounted/);
    for (const args of [
      ["unmount", ""],
      ["adopt", ""],
      ["plan", "--config", ""],
      ["mount", "--home", "", "--foreground"],
    ])
      expectComplaint(await sandbox.run(args), 2, /an empty path\n +hint: a variable may be unset/);
    expect(sandbox.mounts()).toHaveLength(1);
    expectComplaint(await sandbox.run(["ephemeral", "--storage", "/nope"]), 2, /no storage \/nope[^]*name one of .*\/storage/);
    const { code, stdout } = await sandbox.run(["mount", "--nope", "--json"]);
    expect(code).toBe(2);
    const message = expect.stringMatching(/^unknown option '--nope'/) as unknown;
    expect(JSON.parse(stdout)).toEqual({ error: { code: "HMP_USAGE", message, hint: "add --help for the options" } });
  }));

test("a file where a directory is listed, a directory where a file is, a loop of links: each refused, nothing touched, the rest done", () =>
  withSandbox("kinds", {}, async (sandbox) => {
    const loop = join(sandbox.base, "loop");
    symlinkSync(loop, loop);
    writeFileSync(join(sandbox.storage, "data"), "a file");
    mkdirSync(join(sandbox.storage, "notes"));
    writeFileSync(join(sandbox.home, "taken"), "data of the home");
    mkdirSync(join(sandbox.home, "rc/below"), { recursive: true });
    sandbox.writeConfig({
      home: sandbox.home,
      persistence: {
        [sandbox.storage]: { directories: ["data", "taken", "good"], files: ["notes", "rc"] },
        [loop]: { directories: ["elsewhere"] },
      },
    });
    const ran = await sandbox.run(["mount", "--config", sandbox.configFile]);
    expectComplaint(ran, 3, /good/);
    const { entries, refusals } = await sandbox.status();
    const state = (name: string): string | undefined => entries.find((entry) => entry.target === join(sandbox.home, name))?.state;
    expect(state("good")).toBe("mounted");
    for (const name of ["data", "taken", "notes", "rc", "elsewhere"]) expect([name, state(name)]).toEqual([name, "refused"]);
    expect(refusals.map((refusal) => refusal.hint).every((hint) => hint.length > 0)).toBe(true);
    expect(readFileSync(join(sandbox.storage, "data"), "utf8")).toBe("a file");
    expect(readFileSync(join(sandbox.home, "taken"), "utf8")).toBe("data of the home");
    expect(readdirSync(join(sandbox.home, "rc"))).toEqual(["below"]);
  }));
