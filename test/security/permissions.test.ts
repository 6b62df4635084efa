// What other users may do through a mount, compared with what they may do in the storage itself; and what is created there.
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Sandbox, withSandbox } from "../helpers/sandbox.ts";

const OTHER = 64_321;
const GROUP = 64_400;
const FILE_MODES = [0o000, 0o400, 0o600, 0o640, 0o644, 0o604, 0o060, 0o006, 0o660, 0o666, 0o711, 0o755, 0o1644, 0o2755, 0o4755];
const DIRECTORY_MODES = [0o000, 0o500, 0o700, 0o710, 0o711, 0o730, 0o733, 0o744, 0o750, 0o755, 0o770, 0o777, 0o1777, 0o2775];

// Prints what each attempt below its argument gives, one line each: "ok" or an errno.
const ATTEMPTS = `
import errno, os, sys
def attempt(what, do):
    try: result = do(); print(what, "ok" if result is None else result)
    except OSError as e: print(what, errno.errorcode[e.errno])
def opened(path, flags):
    def do(): os.close(os.open(path, flags))
    return do
def made(path):
    def do(): os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)); os.unlink(path)
    return do
os.chdir(sys.argv[1])
for name in sorted(os.listdir(".")):
    attempt(name + " stat", lambda: oct(os.stat(name).st_mode))
    for word, mode in ("r", os.R_OK), ("w", os.W_OK), ("x", os.X_OK): attempt(name + " access " + word, lambda: str(os.access(name, mode)))
    if name.startswith("file"):
        for word, flags in ("read", os.O_RDONLY), ("write", os.O_WRONLY), ("both", os.O_RDWR): attempt(name + " " + word, opened(name, flags))
        attempt(name + " chmod", lambda: os.chmod(name, 0o777)); attempt(name + " utime", lambda: os.utime(name, (1, 1)))
        attempt(name + " chown", lambda: os.chown(name, os.getuid(), -1)); attempt(name + " truncate", lambda: os.truncate(name, 0))
        attempt(name + " setxattr", lambda: os.setxattr(name, "user.test", b"x"))
    else:
        attempt(name + " list", lambda: str(len(os.listdir(name)))); attempt(name + " make", made(name + "/new"))
        attempt(name + " read inside", opened(name + "/inner", os.O_RDONLY)); attempt(name + " write inside", opened(name + "/inner", os.O_WRONLY))
        attempt(name + " rename inside", lambda: (os.rename(name + "/inner", name + "/moved"), os.rename(name + "/moved", name + "/inner"))[2:] or None)
`;

/** Files and directories of every mode, some with ACLs. */
function fill(directory: string, uid: number): void {
  for (const mode of FILE_MODES) writeFileSync(join(directory, `file${mode.toString(8)}`), "content");
  for (const name of ["file-acl-user", "file-acl-mask"]) writeFileSync(join(directory, name), "content", { mode: 0o600 });
  for (const mode of DIRECTORY_MODES) {
    const path = join(directory, `dir${mode.toString(8)}`);
    mkdirSync(path);
    writeFileSync(join(path, "inner"), "content");
    chmodSync(join(path, "inner"), 0o644);
  }
  execFileSync("chown", ["-R", `${uid}:${GROUP}`, directory]);
  execFileSync("setfacl", ["-m", `u:${OTHER}:rw`, join(directory, "file-acl-user")]);
  execFileSync("setfacl", ["-m", `u:${OTHER}:rw,m::r`, join(directory, "file-acl-mask")]);
  for (const mode of FILE_MODES) chmodSync(join(directory, `file${mode.toString(8)}`), mode);
  for (const mode of DIRECTORY_MODES) chmodSync(join(directory, `dir${mode.toString(8)}`), mode);
  chmodSync(directory, 0o755);
}

/** Runs a command as another user in the daemon's mount namespace. */
function as(sandbox: Sandbox, uid: number, groups: readonly number[], command: readonly string[]): string {
  const [daemon = 0] = sandbox.pids();
  const identity = [`--reuid=${uid}`, `--regid=${uid}`, groups.length === 0 ? "--clear-groups" : `--groups=${groups.join(",")}`];
  return execFileSync("nsenter", [`--target=${daemon}`, "--mount", "setpriv", ...identity, ...command], { encoding: "utf8" });
}

const ALLOW = (sandbox: Sandbox): string => {
  writeFileSync(join(sandbox.base, "fuse.conf"), "user_allow_other\n");
  return `touch /etc/fuse.conf; mount --bind ${join(sandbox.base, "fuse.conf")} /etc/fuse.conf`;
};

const PEOPLE: readonly (readonly [string, number, readonly number[]])[] = [
  ["a stranger", OTHER + 1, []],
  ["a member of the group", OTHER + 1, [GROUP]],
  ["one whom an ACL names", OTHER, []],
];

describe("3. Permissions are the file's own.", () => {
  for (const who of ["root", "user"] as const) {
    test(`served by ${who}, others get what modes and ACLs grant in the storage itself`, () =>
      withSandbox(`others-${who}`, { as: who, homeOptions: "size=64m,mode=0755" }, async (sandbox) => {
        chmodSync(sandbox.storage, 0o755);
        const data = join(sandbox.storage, "data");
        mkdirSync(data);
        fill(data, sandbox.uid);
        const file = sandbox.writeConfig({
          home: sandbox.home,
          persistence: { [sandbox.storage]: { directories: ["data"], allowOther: true } },
        });
        expect(await sandbox.runIn(ALLOW(sandbox), ["mount", "--config", file])).toMatchObject({ code: 0 });
        const mounted = join(sandbox.home, "data");
        const tell = (path: string, uid: number, groups: readonly number[]): string[] =>
          as(sandbox, uid, groups, ["/usr/bin/python3", "-c", ATTEMPTS, path]).split("\n");
        for (const [what, uid, groups] of PEOPLE) {
          const expected = tell(data, uid, groups);
          expect(expected.length).toBeGreaterThan(200);
          const found = tell(mounted, uid, groups);
          const differing = found.map((line, index) => [expected[index] ?? "", line]).filter(([storage, mount]) => storage !== mount);
          // An ordinary user's server gives nobody what that user may not do, and what others create is that user's: less, never more.
          for (const [storage, mount] of differing) expect(`${storage}; ${mount}`, what).toMatch(/^(.*) ok; \1 E(ACCES|PERM|EXIST)$/);
          if (who === "root") expect(differing, what).toEqual([]);
          else expect(differing.length, what).toBeLessThan(20);
        }
      }));
  }

  test("set-id bits on a mount give nobody anybody's rights", () =>
    withSandbox("set-id", { homeOptions: "size=64m,mode=0755" }, async (sandbox) => {
      chmodSync(sandbox.storage, 0o755);
      const data = join(sandbox.storage, "data");
      mkdirSync(data);
      chmodSync(data, 0o755);
      copyFileSync("/usr/bin/id", join(data, "id"));
      chmodSync(join(data, "id"), 0o6755);
      sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data"], allowOther: true } } });
      expect(await sandbox.run(["mount", "--config", sandbox.configFile])).toMatchObject({ code: 0 });
      expect(sandbox.mounts()[0]?.options).toEqual(expect.arrayContaining(["nosuid", "nodev"]));
      expect(statSync(join(sandbox.home, "data/id")).mode & 0o7777).toBe(0o6755);
      expect(as(sandbox, OTHER, [], [join(sandbox.home, "data/id"), "-u"])).toBe(`${OTHER}\n`);
    }));

  test("without allowOther nobody else gets in, root included", () =>
    withSandbox("alone", { as: "user", homeOptions: "size=64m,mode=0755" }, async (sandbox) => {
      sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data"], mode: "0777" } } });
      expect(await sandbox.run(["mount", "--config", sandbox.configFile])).toMatchObject({ code: 0 });
      const mounted = join(sandbox.home, "data");
      for (const uid of [OTHER, 0]) expect(() => as(sandbox, uid, [], ["ls", mounted]), String(uid)).toThrow(/Permission denied/);
      expect(sandbox.mounts()[0]?.superOptions).not.toContain("allow_other");
    }));
});

describe("4. What is created in storage is private.", () => {
  for (const umask of [0o000, 0o022, 0o077]) {
    test(`umask ${umask.toString(8)}: directories are as asked, 0700 unasked; files as their program asked`, () =>
      withSandbox("created", { as: "user" }, async (sandbox) => {
        const { home, storage } = sandbox;
        sandbox.writeConfig({
          home,
          persistence: {
            [storage]: {
              directories: ["deep/er/plain", { directory: "open", mode: "0755" }, { directory: "linked/dir", method: "symlink" }],
              files: ["dotfiles/rc", { file: "wide/rc", parentDirectory: { mode: "0750" } }, { file: "adopted", onConflict: "adopt" }],
            },
          },
        });
        writeFileSync(join(home, "adopted"), "secret");
        chmodSync(join(home, "adopted"), 0o640);
        chownSync(join(home, "adopted"), sandbox.uid, sandbox.uid);
        const before = process.umask(umask);
        try {
          expect(await sandbox.run(["mount", "--config", sandbox.configFile])).toMatchObject({ code: 0 });
          const write =
            "echo a > open/file; mkdir open/dir; echo b > dotfiles/rc; mkdir -m 0751 open/asked; (umask 027; echo c > open/other)";
          expect(await sandbox.exec("sh", ["-c", `cd '${home}'; set -e; ${write}`])).toMatchObject({ code: 0, stderr: "" });
        } finally {
          process.umask(before);
        }
        const modes = (root: string, wanted: Record<string, number>): void => {
          const found = Object.keys(wanted).map((path) => [path, (statSync(join(root, path)).mode & 0o7777).toString(8)]);
          expect(Object.fromEntries(found)).toEqual(
            Object.fromEntries(Object.entries(wanted).map(([path, mode]) => [path, mode.toString(8)])),
          );
        };
        modes(storage, {
          deep: 0o700,
          "deep/er": 0o700,
          "deep/er/plain": 0o700,
          open: 0o755,
          linked: 0o700,
          "linked/dir": 0o700,
          dotfiles: 0o700,
          wide: 0o750,
          adopted: 0o640,
          "open/file": 0o666 & ~umask,
          "open/dir": 0o777 & ~umask,
          "dotfiles/rc": 0o666 & ~umask,
          "open/asked": 0o751,
          "open/other": 0o640,
        });
        modes(home, { deep: 0o700, "deep/er": 0o700, wide: 0o750, dotfiles: 0o700 });
      }));
  }
});
