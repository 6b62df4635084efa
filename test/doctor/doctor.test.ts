// Each check against a machine that is wrong in just that: in a mount namespace of its own, where /etc, /dev and /usr/bin can be bent
// without anybody noticing.
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Finding } from "../../src/doctor/check.ts";
import type { DoctorReport } from "../../src/doctor/doctor.ts";
import { withSandbox, type Ran, type Sandbox } from "../helpers/sandbox.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/hmpersist.js", import.meta.url));
const NOBODY = 65_534;

interface Diagnosis {
  readonly code: number | null;
  readonly findings: readonly Finding[];
  readonly of: (check: string) => Finding[];
}

const diagnosis = ({ code, stdout, stderr }: Ran): Diagnosis => {
  if (stdout === "") throw new Error(`exit ${code}: ${stderr}`);
  const findings = (JSON.parse(stdout) as DoctorReport).areas.flatMap((area) => area.findings);
  return { code, findings, of: (check) => findings.filter((finding) => finding.check === check) };
};

/** Runs the doctor as `uid` after `bend`, shell commands run by root in a new mount namespace. */
const doctor = async (sandbox: Sandbox, bend = "", uid = NOBODY): Promise<Diagnosis> =>
  diagnosis(
    await sandbox.exec("unshare", [
      "--mount",
      "bash",
      "-ec",
      `${bend}\nexec setpriv --reuid ${uid} --regid ${uid} --clear-groups -- "$@"`,
      "bend",
      process.execPath,
      PROGRAM,
      "doctor",
      "--json",
      "--config",
      sandbox.configFile,
    ]),
  );

const configure = (sandbox: Sandbox, options: object, directories: unknown[] = [".mozilla"], files: string[] = []): void => {
  sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories, files, ...options } } });
};

const bind = (sandbox: Sandbox, name: string, content: string, over: string): string => {
  const file = join(sandbox.base, name);
  writeFileSync(file, content);
  return `mount --bind ${file} ${over}`;
};

test("a fit machine has no problems", async () => {
  await withSandbox("fit", {}, async (sandbox) => {
    configure(sandbox, {});
    const { code, findings, of } = await doctor(sandbox, "", 0);
    expect(findings.filter(({ verdict }) => verdict === "problem")).toEqual([]);
    expect(code).toBe(0);
    expect(of("home")[0]).toMatchObject({ verdict: "ok", message: expect.stringMatching(/is on a tmpfs/) });
    expect(of("daemon")[0]).toMatchObject({ verdict: "warning", fix: "hmpersist mount" });
  });
});

test("/dev/fuse that may not be opened, and none at all", async () => {
  await withSandbox("device", {}, async (sandbox) => {
    configure(sandbox, {});
    const closed = await doctor(
      sandbox,
      `cp -a /dev/fuse ${sandbox.base}/fuse; chmod 0600 ${sandbox.base}/fuse; mount --bind ${sandbox.base}/fuse /dev/fuse`,
    );
    expect(closed.of("/dev/fuse")).toEqual([expect.objectContaining({ verdict: "problem", fix: expect.stringMatching(/chmod 0666/) })]);
    expect(closed.code).toBe(8);
    const none = await doctor(sandbox, "mount -t tmpfs none /dev");
    expect(none.of("/dev/fuse")).toEqual([expect.objectContaining({ verdict: "problem", fix: expect.stringMatching(/modprobe fuse/) })]);
  });
});

test("fusermount3: missing, without its set-uid bit, too old for what is asked", async () => {
  await withSandbox("helper", {}, async (sandbox) => {
    configure(sandbox, { hideMounts: true });
    // The program's own files stay reachable; what is found in PATH and the usual places does not.
    const hide = `for f in /usr/bin/fusermount3 /usr/bin/fusermount /bin/fusermount3 /bin/fusermount; do [ ! -e $f ] || mount --bind`;
    const missing = await doctor(sandbox, `touch ${sandbox.base}/nothing; ${hide} ${sandbox.base}/nothing $f; done`);
    expect(missing.of("fusermount3")).toEqual([expect.objectContaining({ verdict: "problem", fix: expect.stringMatching(/install/) })]);
    const fake = join(sandbox.base, "fusermount3");
    writeFileSync(fake, "#!/bin/sh\necho fusermount3 version: 3.14.0\n");
    chmodSync(fake, 0o755);
    const plain = await doctor(sandbox, `${hide} ${fake} $f; done`);
    expect(plain.of("fusermount3")[0]).toMatchObject({ verdict: "problem", message: expect.stringMatching(/set-uid/) });
    chmodSync(fake, 0o4755);
    const old = await doctor(sandbox, `${hide} ${fake} $f; done`);
    expect(old.of("fusermount3")[0]).toMatchObject({ verdict: "warning", message: expect.stringMatching(/3\.14\.0 knows neither/) });
  });
});

test("/etc/fuse.conf: user_allow_other and mount_max", async () => {
  await withSandbox("conf", {}, async (sandbox) => {
    configure(sandbox, { allowOther: true });
    const touch = "touch /etc/fuse.conf; ";
    const without = await doctor(sandbox, touch + bind(sandbox, "conf", "# user_allow_other\nmount_max = 0\n", "/etc/fuse.conf"));
    expect(without.of("user_allow_other")[0]).toMatchObject({ verdict: "problem", fix: expect.stringMatching(/echo user_allow_other/) });
    expect(without.of("mount_max")[0]).toMatchObject({ verdict: "problem" });
    const permitted = await doctor(sandbox, touch + bind(sandbox, "conf", "user_allow_other\n", "/etc/fuse.conf"));
    expect(permitted.of("user_allow_other")[0]?.verdict).toBe("ok");
    expect(permitted.of("mount_max")[0]).toMatchObject({ verdict: "ok", message: expect.stringMatching(/^1 configured.*1000 permitted/) });
  });
});

test("storage that is missing, volatile, or read-only; a full home", async () => {
  await withSandbox("space", { homeOptions: "size=1m" }, async (sandbox) => {
    configure(sandbox, {});
    const volatile = await doctor(sandbox, `mount -t tmpfs none ${sandbox.storage}`);
    expect(volatile.of("storage")[0]).toMatchObject({ verdict: "problem", message: expect.stringMatching(/lost at reboot/) });
    rmSync(sandbox.storage, { recursive: true });
    writeFileSync(sandbox.storage, "");
    const file = await doctor(sandbox);
    rmSync(sandbox.storage);
    mkdirSync(sandbox.storage);
    expect(file.of("storage")[0]).toMatchObject({ verdict: "problem", message: expect.stringMatching(/not a directory/) });
    const readOnly = await doctor(
      sandbox,
      `mount --bind ${sandbox.storage} ${sandbox.storage}; mount -o remount,ro,bind ${sandbox.storage}`,
      0,
    );
    expect(readOnly.of("storage")[0]).toMatchObject({ verdict: "problem", fix: expect.stringMatching(/remount,rw/) });
    writeFileSync(join(sandbox.home, "big"), Buffer.alloc(1000 * 1024));
    const full = await doctor(sandbox, `rmdir ${sandbox.storage}`, 0);
    expect(full.of("storage")[0]).toMatchObject({ verdict: "problem", fix: expect.stringMatching(/mkdir -p/) });
    expect(full.of("home")[1]).toMatchObject({ verdict: "problem", message: expect.stringMatching(/9\d % full/) });
  });
});

test("private data that others can read, and entries that suffer on FUSE", async () => {
  await withSandbox("modes", {}, async (sandbox) => {
    configure(sandbox, {}, [".gnupg", ".local/share/containers", ".ssh"], [".bash_history", "a b/.netrc"]);
    for (const name of [".gnupg", ".ssh"]) mkdirSync(join(sandbox.storage, name), { mode: 0o755 });
    chmodSync(join(sandbox.storage, ".ssh"), 0o700);
    mkdirSync(join(sandbox.storage, "a b"));
    writeFileSync(join(sandbox.storage, "a b/.netrc"), "", { mode: 0o644 });
    chmodSync(sandbox.storage, 0o711);
    const open = await doctor(sandbox, "", 0);
    expect(open.of("permissions")).toEqual([
      expect.objectContaining({ verdict: "warning", fix: `chmod go-rwx ${join(sandbox.storage, ".gnupg")}` }),
      expect.objectContaining({ verdict: "warning", fix: `chmod go-rwx '${join(sandbox.storage, "a b/.netrc")}'` }),
    ]);
    expect(open.of("entries")).toEqual([expect.objectContaining({ verdict: "warning", message: expect.stringMatching(/Podman/) })]);
    chmodSync(sandbox.storage, 0o700);
    expect((await doctor(sandbox, "", 0)).of("permissions")).toEqual([
      expect.objectContaining({ verdict: "ok", message: expect.stringMatching(/^3 entries .*; 1 do not exist yet$/) }),
    ]);
  });
});

test("a unit that lies in the home is gone after a reboot; one outside has to be enabled", async () => {
  await withSandbox("unit", {}, async (sandbox) => {
    configure(sandbox, {});
    const bent = "mkdir -p /run/systemd/system; mount -t tmpfs none /etc/systemd/user; ";
    const own = join(sandbox.home, ".config/systemd/user");
    const run = (bend: string): Promise<Diagnosis> => doctor(sandbox, `mount -t tmpfs none /run; ${bent}${bend}`, 0);
    const [none] = (await run("")).of("service");
    expect(none).toMatchObject({ verdict: "warning", fix: expect.stringMatching(/service install/) });
    const line = /hmpersist (service install [^;]*)/.exec(none?.fix ?? "")?.[1] ?? "";
    expect((await run(`"$1" "$2" ${line} >/dev/null`)).of("service")[0]).toMatchObject({
      message: expect.stringMatching(/hmpersist\.service needs \/persist\/hmpersist\/\w+\/config\.json, which is not there/),
    });
    // XDG_CONFIG_HOME of the sandbox is on disk; the home's own is what is meant here.
    const home = `export XDG_CONFIG_HOME=${sandbox.home}/.config; mkdir -p ${own}; touch ${own}/hmpersist.service; `;
    expect((await run(home)).of("service")[0]).toMatchObject({
      verdict: "problem",
      message: expect.stringMatching(/empty after a reboot/),
    });
    expect((await run(`${home} touch /etc/systemd/user/hmpersist.service`)).of("service")[0]).toMatchObject({
      verdict: "warning",
      fix: expect.stringMatching(/--global enable/),
    });
    const enabled =
      "cd /etc/systemd/user; touch hmpersist.service; mkdir basic.target.wants; ln -s ../hmpersist.service basic.target.wants/";
    expect((await run(enabled)).of("service")[0]?.verdict).toBe("ok");
    const masked = enabled.replace("touch hmpersist.service", "ln -s /dev/null hmpersist.service");
    expect((await run(masked)).of("service")[0]).toMatchObject({ verdict: "problem", message: expect.stringMatching(/masked/) });
  });
});

test("a unit whose program or configuration is not there after a reboot", async () => {
  await withSandbox("unit-needs", {}, async (sandbox) => {
    configure(sandbox, {});
    const config = join(sandbox.base, "of root.json");
    copyFileSync(sandbox.configFile, config);
    const run = (command: string): Promise<Diagnosis> => {
      writeFileSync(join(sandbox.base, "unit"), `[Service]\nExecStart=${command}\n`);
      const unit = `cd /etc/systemd/user; cp ${sandbox.base}/unit hmpersist.service; mkdir basic.target.wants; ln -s ../hmpersist.service basic.target.wants/`;
      return doctor(sandbox, `mount -t tmpfs none /run; mkdir -p /run/systemd/system; mount -t tmpfs none /etc/systemd/user; ${unit}`, 0);
    };
    const paths = `--config "${sandbox.base}/of %u.json"`;
    expect((await run(`/bin/sh -c "echo $$PATH" ${paths}`)).of("service")[0]?.verdict).toBe("ok");
    expect((await run(`/bin/gone ${paths}`)).of("service")[0]).toMatchObject({
      verdict: "problem",
      message: expect.stringMatching(/needs \/bin\/gone, which is not there/),
    });
    mkdirSync(join(sandbox.home, "bin"));
    copyFileSync("/bin/true", join(sandbox.home, "bin/hmpersist"));
    expect((await run(`%h/bin/hmpersist ${paths}`)).of("service")[0]).toMatchObject({
      verdict: "problem",
      message: expect.stringMatching(/home\/bin\/hmpersist, which is gone after a reboot/),
      fix: expect.stringMatching(/--system/),
    });
  });
});

test("a dead mount is named with the line that takes it away, and nothing hangs on a stuck one", async () => {
  await withSandbox("dead", {}, async (sandbox) => {
    configure(sandbox, {});
    const mount = (name: string): string =>
      `mkdir -p ${sandbox.home}/${name}; mount -i -t fuse.hmpersist -o fd=7,rootmode=40000,user_id=0,group_id=0 src ${sandbox.home}/${name}`;
    const bend = `exec 7<>/dev/fuse; ${mount("dead")}; exec 7<&-; exec 7<>/dev/fuse; ${mount("stuck")}`;
    const root = await doctor(sandbox, bend, 0);
    expect(root.of("mounts")).toEqual([
      expect.objectContaining({
        verdict: "problem",
        message: expect.stringMatching(/dead is dead/),
        fix: expect.stringMatching(/fusermount3 -uz/),
      }),
      expect.objectContaining({ verdict: "problem", message: expect.stringMatching(/stuck does not answer/) }),
    ]);
  });
});

test("a configuration that lies in the home is gone after a reboot", async () => {
  await withSandbox("place", {}, async (sandbox) => {
    configure(sandbox, {});
    const own = join(sandbox.home, "config.json");
    copyFileSync(sandbox.configFile, own);
    const lost = diagnosis(await sandbox.run(["doctor", "--json", "--config", own]));
    expect(lost.of("configuration")[1]).toMatchObject({ verdict: "problem", fix: expect.stringMatching(/service install --config/) });
    const kept = diagnosis(await sandbox.run(["doctor", "--json", "--config", sandbox.configFile]));
    expect(kept.of("configuration").map(({ verdict }) => verdict)).toEqual(["ok", "ok"]);
  });
});

test("a daemon that runs is asked what it holds", async () => {
  await withSandbox("asked", {}, async (sandbox) => {
    configure(sandbox, {}, [".mozilla", ".in-the-way"]);
    mkdirSync(join(sandbox.home, ".in-the-way/x"), { recursive: true });
    await sandbox.run(["mount", "--config", sandbox.configFile]);
    const { of } = diagnosis(await sandbox.run(["doctor", "--json", "--config", sandbox.configFile]));
    expect(of("daemon")[0]).toMatchObject({
      verdict: "warning",
      message: expect.stringMatching(/1 of 2 entries/),
      fix: "hmpersist status",
    });
    expect(of("mounts")[0]).toMatchObject({ verdict: "ok", message: "all 1 answer" });
    expect(of("engine")[0]).toMatchObject({ verdict: "ok", message: expect.stringMatching(/kernel serves.*2 shared/) });
  });
});

test("no configuration, a wrong one, and what it looks like without a terminal", async () => {
  await withSandbox("none", {}, async (sandbox) => {
    const none = await sandbox.run(["doctor"]);
    expect(none.stdout).toMatch(/configuration +there is none at .*\n +fix: write one/);
    expect(none.stdout).not.toContain("\x1b");
    sandbox.writeConfig("{");
    const wrong = diagnosis(await sandbox.run(["doctor", "--json", "--config", sandbox.configFile]));
    expect([wrong.code, wrong.of("configuration")[0]?.verdict]).toEqual([8, "problem"]);
  });
});
