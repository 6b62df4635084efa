// `hmpersist service`: what it says about the unit it writes. What systemd makes of the unit is test/systemd.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { withSandbox, type Ran, type Sandbox } from "../helpers/sandbox.ts";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Runs the program from /home/jane, which is on a disk, with its units in the sandbox's `etc`. */
const fromHome = (sandbox: Sandbox, args: readonly string[], umask = "022"): Promise<Ran> => {
  const homes = join(sandbox.base, "homes");
  mkdirSync(join(homes, "jane/hmpersist"), { recursive: true });
  const prepare = [
    `mount --bind ${ROOT} ${homes}/jane/hmpersist`,
    `mkdir -p /home /etc/systemd/user`,
    `mount --rbind ${homes} /home`,
    `mount --bind ${sandbox.base}/etc /etc/systemd/user`,
    `umask ${umask}`,
    'exec "$@"',
  ].join("\n");
  const command = ["sh", "-ec", prepare, "sh", process.execPath, "/home/jane/hmpersist/bin/hmpersist.js", "service", ...args];
  return sandbox.exec("unshare", ["--mount", "--propagation", "private", ...command], { HOME: "/home/jane" });
};

test("a program and a configuration in a home are named while the home is still on a disk", () =>
  withSandbox("service-home", {}, async (sandbox) => {
    const { code, stdout } = await fromHome(sandbox, ["install", "--system", "--config", "/home/%u/my config.json"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^warning: \/home\/jane\/hmpersist\/bin\/hmpersist\.js .*: install the program outside of all homes/m);
    expect(stdout).toMatch(/^warning: \/home\/%u\/my config\.json .*: keep it on persistent storage and pass --config$/m);
    expect(readFileSync(join(sandbox.base, "etc/hmpersist.service"), "utf8")).toMatch(
      /^ExecStart=.* --config "\/home\/%u\/my config\.json"$/m,
    );
  }));

test("the unit of all users can be read by all of them, whatever root's umask", () =>
  withSandbox("service-umask", {}, async (sandbox) => {
    expect((await fromHome(sandbox, ["install", "--system", "--config", "/persist/%u.json"], "077")).code).toBe(0);
    const modes = ["hmpersist.service", "paths.target.wants"].map((name) => statSync(join(sandbox.base, "etc", name)).mode & 0o777);
    expect(modes).toEqual([0o644, 0o755]);
  }));

test("a unit of one's own names everything that lies in the home", () =>
  withSandbox("service-own", {}, async (sandbox) => {
    const { stdout } = await fromHome(sandbox, ["install", "--user"]);
    expect(stdout).toMatch(/^(note|warning): .*\/home\/jane\/hmpersist\/bin\/hmpersist\.js/m);
    const units = join(sandbox.base, "etc/systemd/user");
    expect(readdirSync(units).sort()).toEqual(["hmpersist.service", "paths.target.wants"]);
    await fromHome(sandbox, ["uninstall", "--user"]);
    expect(readdirSync(units)).toEqual([]);
  }));

test("a line break in --config begins no line of the unit", () =>
  withSandbox("service-lines", {}, async (sandbox) => {
    const { code, stderr } = await fromHome(sandbox, ["install", "--system", "--config", "/p/%u\nExecStartPre=/bin/false"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/needs --config/);
  }));

test("a file where the directory of units belongs is named", () =>
  withSandbox("service-file", {}, async (sandbox) => {
    writeFileSync(join(sandbox.base, "etc/systemd"), "");
    const { code, stderr } = await sandbox.run(["service", "install"]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^hmpersist: ENOTDIR: .*etc\/systemd\/user\/paths\.target\.wants'\n {2}hint: .*move away what is none\n$/);
    expect((await sandbox.run(["service", "uninstall"])).stdout).toMatch(/is not there/);
    expect((await sandbox.run(["service", "status"])).stdout).toMatch(/not installed/);
  }));
