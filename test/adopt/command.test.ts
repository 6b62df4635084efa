// Adoption and healing through the built program, with its daemon, as root and as an ordinary user.
import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { until } from "../helpers/deadline.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";
import { inTerminal } from "../review/terminal.ts";

const sh = async (sandbox: Sandbox, script: string): Promise<string> => {
  const { code, stdout, stderr } = await sandbox.exec("bash", ["-euc", `cd "$HOME"\n${script}`]);
  expect([code, stderr], script).toEqual([0, ""]);
  return stdout;
};

function configure(sandbox: Sandbox, storage: object): void {
  sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: storage } });
}

const FILL = "mkdir -p app/sub; echo one > app/one; echo two > app/sub/two; ln app/one app/same";

test("on a terminal of 40 columns the progress stays on one line, and is gone at the end", () =>
  withSandbox("adopt-narrow", { homeOptions: "size=200m" }, async (sandbox) => {
    const name = "a-name-that-is-longer-than-the-terminal-is-wide";
    configure(sandbox, { directories: [name] });
    expect((await sandbox.run(["mount", "--config", sandbox.configFile])).code).toBe(0);
    expect((await sandbox.run(["unmount"])).code).toBe(0);
    await sh(sandbox, `for i in 1 2 3 4 5 6; do head -c 8M /dev/urandom > ${name}/$i; done`);
    expect((await sandbox.run(["mount", "--config", sandbox.configFile])).code).toBe(3);
    await inTerminal(sandbox, ["adopt", join(sandbox.home, name)], { columns: 40, rows: 24 }, async (terminal) => {
      const screen = await terminal.see(/copied into[^]*exit 0/);
      expect(screen).not.toContain("%");
    });
  }));

describe.each(["root", "user"] as const)("as %s", (as) => {
  test("hmpersist adopt moves a refused directory and file into storage and mounts and links them", () =>
    withSandbox("adopt", { as }, async (sandbox) => {
      configure(sandbox, { directories: ["app"], files: ["conf"] });
      await sh(sandbox, `${FILL}; echo c > conf`);
      expect((await sandbox.run(["mount", "--config", sandbox.configFile])).code).toBe(3);
      const paths = [join(sandbox.home, "app"), join(sandbox.home, "conf")];
      const dry = await sandbox.run(["adopt", "--config", sandbox.configFile, "--dry-run", ...paths]);
      expect(dry, dry.stderr).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("would be: copied into storage (3 files, 1 directories"),
      });
      const adopted = await sandbox.run(["adopt", "--config", sandbox.configFile, "--json", ...paths]);
      expect(adopted, adopted.stdout + adopted.stderr + sandbox.log()).toMatchObject({ code: 0 });
      expect(sandbox.mounts().map((mount) => mount.mountpoint)).toEqual([join(sandbox.home, "app")]);
      expect(await sh(sandbox, "cat app/one app/same app/sub/two conf; ls -A")).toBe("one\none\ntwo\nc\napp\nconf\n");
      expect(readFileSync(join(sandbox.storage, "app/sub/two"), "utf8")).toBe("two\n");
      expect(readlinkSync(join(sandbox.home, "conf"))).toBe(join(sandbox.storage, "conf"));
      const again = await sandbox.run(["adopt", "--config", sandbox.configFile, paths[0] ?? ""]);
      expect(again).toMatchObject({ code: 3, stderr: expect.stringContaining("something is mounted") });
    }));

  test("a storage that is not there, or no directory, and data that is not there are refused, and nothing is touched", () =>
    withSandbox("adopt", { as }, async (sandbox) => {
      const storage = join(sandbox.base, "no\u009b31mdisk");
      sandbox.writeConfig({ home: sandbox.home, persistence: { [storage]: { directories: ["app", "a/b/c"], files: ["conf"] } } });
      await sh(sandbox, `${FILL}; echo c > conf`);
      expect((await sandbox.run(["mount", "--config", sandbox.configFile])).code).toBe(3);
      const refused = async (path: string, words: string): Promise<void> => {
        for (const args of [[], ["--dry-run"]]) {
          const ran = await sandbox.run(["adopt", ...args, join(sandbox.home, path)]);
          expect(ran).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining(words) });
          expect(ran.stderr).not.toMatch(/\n\s+at .*:\d+:\d+|\u009b/);
        }
      };
      for (const path of ["app", "conf"]) await refused(path, "\\x9b31mdisk does not exist\n  mount or create it");
      writeFileSync(storage, "");
      await refused("app", "\\x9b31mdisk is not a directory");
      rmSync(storage);
      sandbox.ownDirectory(storage);
      await refused("a/b/c", "a/b/c does not exist\n  nothing to adopt");
      expect(await sh(sandbox, "ls -A . app")).toBe(".:\napp\nconf\n\napp:\none\nsame\nsub\n");
    }));

  test('onNonEmpty "adopt" does it while mounting', () =>
    withSandbox("adopt", { as }, async (sandbox) => {
      configure(sandbox, {
        directories: [
          { directory: "app", onNonEmpty: "adopt" },
          { directory: "linked", method: "symlink", onNonEmpty: "adopt" },
        ],
      });
      await sh(sandbox, `${FILL}; cp -r app linked`);
      const mounted = await sandbox.run(["mount", "--config", sandbox.configFile]);
      expect(mounted, mounted.stdout + sandbox.log()).toMatchObject({ code: 0 });
      expect(await sh(sandbox, "cat app/sub/two linked/sub/two; ls -A")).toBe("two\ntwo\napp\nlinked\n");
      expect(readlinkSync(join(sandbox.home, "linked"))).toBe(join(sandbox.storage, "linked"));
    }));

  test("read-only directories move, are merged and leave an empty mountpoint", () =>
    withSandbox("adopt", { as }, async (sandbox) => {
      const READ_ONLY = (name: string): string =>
        `mkdir -p ${name}/mod/m@v1; echo m > ${name}/mod/m@v1/m.go; setfattr -n user.note -v x ${name}/mod/m@v1/m.go; chmod 444 ${name}/mod/m@v1/m.go; chmod 555 ${name}/mod/m@v1 ${name}/mod`;
      configure(sandbox, { directories: [{ directory: "go", onNonEmpty: "adopt" }, "rust", "merged"] });
      await sh(sandbox, `${READ_ONLY("go")}; ${READ_ONLY("rust")}; chmod 500 rust; ${READ_ONLY("merged")}`);
      await sh(sandbox, `cd ../storage; ${READ_ONLY("merged")}; chmod 755 merged/mod; echo n > merged/mod/n.go; chmod 555 merged/mod`);
      expect((await sandbox.run(["mount", "--config", sandbox.configFile])).code, sandbox.log()).toBe(3);
      const paths = ["rust", "merged"].map((name) => join(sandbox.home, name));
      const adopted = await sandbox.run(["adopt", "--config", sandbox.configFile, "--merge", "keep-home", ...paths]);
      expect(adopted, adopted.stderr + sandbox.log()).toMatchObject({ code: 0 });
      expect(sandbox.mounts()).toHaveLength(3);
      expect(
        await sh(
          sandbox,
          "cat */mod/m@v1/m.go merged/mod/n.go; getfattr --only-values -n user.note */mod/m@v1/m.go; echo; stat -c %a */mod */mod/m@v1; ls -A",
        ),
      ).toBe("m\nm\nm\nn\nxxx\n555\n555\n555\n555\n555\n555\ngo\nmerged\nrust\n");
      expect(await sh(sandbox, "cd ../storage; ls -A")).toBe("go\nmerged\nrust\n");
    }));

  test("a file saved by rename is healed by the daemon, which says so; what happened while it was away too", () =>
    withSandbox("heal", { as }, async (sandbox) => {
      configure(sandbox, { files: ["a/conf", "other"] });
      expect((await sandbox.run(["mount", "--config", sandbox.configFile])).code).toBe(0);
      expect((await sandbox.status()).entries.map((entry) => entry.state)).toEqual(["dangling", "dangling"]);
      await sh(sandbox, "echo new > a/t; mv a/t a/conf");
      const healed = await sandbox.statusUntil("a/conf healed", (report) => report.entries.some((entry) => entry.state === "healed"));
      expect(JSON.stringify(healed)).toContain('"count":1');
      expect(readFileSync(join(sandbox.storage, "a/conf"), "utf8")).toBe("new\n");
      expect(sandbox.log()).toContain("link healed");
      expect((await sandbox.run(["unmount"])).code).toBe(0);
      await sh(sandbox, "echo away > t; mv t other");
      const again = await sandbox.run(["mount", "--config", sandbox.configFile]);
      expect(again, again.stdout + sandbox.log()).toMatchObject({ code: 0 });
      expect(readlinkSync(join(sandbox.home, "other"))).toBe(join(sandbox.storage, "other"));
      expect(readFileSync(join(sandbox.storage, "other"), "utf8")).toBe("away\n");
    }));
});

test("what lies in the storage of an outer directory is adopted by the inner one at the first start", () =>
  withSandbox("adopt", {}, async (sandbox) => {
    const inner = join(sandbox.base, "inner");
    sandbox.ownDirectory(inner);
    sandbox.writeConfig({
      home: sandbox.home,
      persistence: {
        [sandbox.storage]: { directories: ["a"] },
        [inner]: { directories: [{ directory: "a/b", onNonEmpty: "adopt" }] },
      },
    });
    await sh(sandbox, "mkdir -p ../storage/a/b; echo data > ../storage/a/b/f");
    const mounted = await sandbox.run(["mount", "--config", sandbox.configFile]);
    expect(mounted, mounted.stdout + sandbox.log()).toMatchObject({ code: 0 });
    expect(sandbox.mounts()).toHaveLength(2);
    expect(await sh(sandbox, "cat a/b/f ../inner/a/b/f; ls -A ../storage/a/b")).toBe("data\ndata\n");
  }));

test("nobody waits for what is adopted, and the service manager is asked for patience", () =>
  withSandbox("adopt", {}, async (sandbox) => {
    configure(sandbox, { directories: [{ directory: "app", onNonEmpty: "adopt" }, "other"] });
    await sh(sandbox, FILL);
    let said = "";
    const manager = sandbox.spawn("python3", [
      "-uc",
      `import socket
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind("${sandbox.base}/notify")
print("listening")
while True: print(manager.recv(4096).decode().split("\\n")[0])`,
    ]);
    manager.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const heard = (line: string) =>
      until(
        line,
        20_000,
        () => said.includes(`${line}\n`),
        () => said,
      );
    await heard("listening");
    sandbox.daemon(undefined, { NOTIFY_SOCKET: join(sandbox.base, "notify") });
    await heard("READY=1");
    expect(sandbox.mounts()).toHaveLength(2);
    // The descriptors of the other mount, and then of the one that was adopted.
    expect(said).toMatch(
      /^listening\n(FDSTORE=1\n)+(EXTEND_TIMEOUT_USEC=30000000\n)+(FDSTORE=1\n)+(EXTEND_TIMEOUT_USEC=30000000\n)+READY=1\n/,
    );
  }));

test("--dry-run says what would be refused, and ends as the adoption would", () =>
  withSandbox("adopt", {}, async (sandbox) => {
    configure(sandbox, { directories: ["app", "open"], files: ["d", "e/f"] });
    await sh(sandbox, "mkdir app open ../storage/app; echo h > app/f; echo s > ../storage/app/f; echo o > open/f");
    await sh(sandbox, "mkdir e ../storage/d ../elsewhere; ln -s ../elsewhere ../storage/e; echo d > d; echo f > e/f");
    const dryRun = (...args: string[]) => sandbox.run(["adopt", "--config", sandbox.configFile, "--dry-run", ...args]);
    expect(await dryRun(join(sandbox.home, "app"))).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("would be refused: needs --merge"),
      stdout: expect.stringContaining("differs: f"),
    });
    expect(await dryRun("--merge", "newest", join(sandbox.home, "app"))).toMatchObject({ code: 0 });
    const writer = sandbox.spawn("bash", ["-c", `exec 3>> ${sandbox.home}/open/f; echo open; read -r`], {}, "pipe");
    await new Promise((resolve) => writer.stdout?.once("data", resolve));
    expect(await dryRun(join(sandbox.home, "open"))).toMatchObject({
      code: 6,
      stderr: expect.stringContaining("would be refused: files are open for writing"),
      stdout: expect.stringContaining(`pid ${writer.pid}`),
    });
    expect(await dryRun("--ignore-open-files", join(sandbox.home, "open"))).toMatchObject({ code: 0 });
    for (const [name, words] of [
      ["d", "storage/d is a directory"],
      ["e/f", "storage/e is a link"],
    ]) {
      const ran = await dryRun("--merge", "keep-home", join(sandbox.home, name ?? ""));
      expect(ran).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining(words ?? "") });
    }
  }));

test("what a filesystem answers is a refusal, and the others are adopted", () =>
  withSandbox("adopt", {}, async (sandbox) => {
    configure(sandbox, { files: ["good", "d/f"], directories: ["e/app"] });
    await sh(sandbox, "echo good > good; mkdir -p d e/app; echo f > d/f; echo f > e/app/f; echo x > ../storage/d; echo x > ../storage/e");
    const paths = ["good", "d/f"].map((name) => join(sandbox.home, name));
    const dry = await sandbox.run(["adopt", "--config", sandbox.configFile, "--dry-run", ...paths, join(sandbox.home, "e/app")]);
    expect(dry).toMatchObject({
      code: 7,
      stdout: expect.stringContaining("would be: copied"),
      stderr: expect.stringContaining("storage/d is not a directory"),
    });
    expect(dry.stderr).not.toContain("internal error");
    const adopted = await sandbox.run(["adopt", "--config", sandbox.configFile, ...paths]);
    expect(adopted).toMatchObject({ code: 7, stdout: expect.stringContaining("good: copied into storage") });
    expect(adopted.stderr).not.toContain("internal error");
    expect(await sh(sandbox, "cat d/f e/app/f")).toBe("f\nf\n");
  }));

test("a full storage: apply says so and ends with 7, the file stays, and it is healed by itself when there is room", () =>
  withSandbox("full", {}, async (sandbox) => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=700", "none", sandbox.storage]);
    try {
      configure(sandbox, { files: ["conf"] });
      expect((await sandbox.run(["mount", "--config", sandbox.configFile])).code).toBe(0);
      await sh(sandbox, "head -c 200000 /dev/zero > t; mv t conf");
      const full = await sandbox.statusUntil("the failure shown", (report) => report.entries.some((entry) => !entry.healthy));
      expect(full.entries[0]?.detail).toContain("ENOSPC");
      expect((await sandbox.run(["apply"])).code).toBe(7);
      expect(await sh(sandbox, "wc -c < conf")).toBe("200000\n");
      execFileSync("mount", ["-o", "remount,size=1m", sandbox.storage]);
      await sandbox.statusUntil("conf healed", (report) => report.entries[0]?.state === "healed");
      expect(await sh(sandbox, "readlink conf; wc -c < conf")).toBe(`${join(sandbox.storage, "conf")}\n200000\n`);
      expect((await sandbox.run(["unmount"])).code).toBe(0);
    } finally {
      execFileSync("umount", ["-l", sandbox.storage]);
    }
  }));
