// The chooser, driven through a real terminal.
import { execFileSync } from "node:child_process";
import { chownSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import stringWidth from "string-width";
import { expect, test } from "vitest";
import { withSandbox } from "../helpers/sandbox.ts";
import { inTerminal } from "./terminal.ts";
import { paths, plant, review } from "./tree.ts";

const HOME = {
  ".mozilla/firefox/p/places.sqlite": 50_000,
  ".config/Code/User/settings.json": 3000,
  ".config/Code/Backups/x": 2000,
  "Documents/[work]/report": 1000,
  ".bash_history": 10,
  "evil\x1b[31m\nname": 1,
};
/** The process with these last arguments. */
function processOf(args: readonly string[]): number {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const is = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").endsWith(`\0${args.join("\0")}\0`);
    } catch {
      return false;
    }
  };
  return Number(pids.find(is));
}
const WIDE = { columns: 100, rows: 24 };

test("keep, ignore, look into a directory, and write it into the configuration", async () => {
  await withSandbox("choose", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, HOME);
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: [".ssh"] } } });
    await inTerminal(sandbox, ["ephemeral", "-i", "--config", sandbox.configFile], WIDE, async (terminal) => {
      await terminal.see(/55 KiB would be gone at reboot[^]*49 KiB.*\.mozilla\/.*Firefox/);
      await terminal.press("p");
      await terminal.see(/keep 1 \(49 KiB\)/);
      await terminal.press("Right");
      await terminal.see(/~\/\.config\/Code\n[^]*User\/[^]*Backups\//);
      await terminal.press("p");
      await terminal.see(/keep 2/);
      await terminal.press("Left");
      await terminal.see(/~\n[^]*\.config\/Code\//);
      await terminal.press("Down", "i");
      await terminal.see(/ignore 1 \(1000 B|ignore 1 \(1\.0 KiB/);
      await terminal.press("l", "f");
      await terminal.see(/2 marked to be kept[^]*w write the/);
      await terminal.press("b");
      await terminal.see(/f finish/);
      await terminal.press("f", "w");
      await terminal.see(/written: [^]*exit 0/);
    });
    expect(JSON.parse(readFileSync(sandbox.configFile, "utf8"))).toEqual({
      home: sandbox.home,
      persistence: { [sandbox.storage]: { directories: [".ssh", ".mozilla", ".config/Code/User"] } },
      ephemeral: { ignore: ["/Documents/"] },
    });
  });
});

test("write and adopt: the data is in storage, the directory mounted, the file a link", async () => {
  await withSandbox("adopt", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { ".mozilla/places.sqlite": 50_000, ".bash_history": "ls\n", ".zshrc": "already configured\n" });
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { files: [".zshrc"] } } });
    await inTerminal(sandbox, ["ephemeral", "-i", "--config", sandbox.configFile], WIDE, async (terminal) => {
      await terminal.see(/Firefox/);
      await terminal.press("p", "p", "p", "f", "a");
      await terminal.see(/exit 0/);
    });
    expect(statSync(join(sandbox.storage, ".mozilla/places.sqlite")).size).toBe(50_000);
    expect(sandbox.mounts().map(({ mountpoint }) => mountpoint)).toEqual([join(sandbox.home, ".mozilla")]);
    expect(readlinkSync(join(sandbox.home, ".bash_history"))).toBe(join(sandbox.storage, ".bash_history"));
    expect(readFileSync(join(sandbox.storage, ".zshrc"), "utf8")).toBe("already configured\n");
    expect(paths(await review(sandbox, "--config", sandbox.configFile))).toEqual([]);
    const status = await sandbox.run(["status"]);
    expect(status.stdout).toMatch(/~\/\.mozilla\/ +mounted +kernel shared +\d+/);
  });
});

test("a mark on a directory speaks for what is in it; q forgets everything", async () => {
  await withSandbox("marks", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, HOME);
    await inTerminal(sandbox, ["ephemeral", "-i"], WIDE, async (terminal) => {
      await terminal.see(/Firefox/);
      await terminal.press("p", "Up", "Right");
      await terminal.see(/~\/\.mozilla\n\+.*firefox\//);
      await terminal.press("i");
      await terminal.see(/decided above/);
      await terminal.press("f");
      await terminal.see(/no storage is configured: name one with --storage/);
      // What cannot be done does nothing.
      await terminal.press("w", "q");
      const screen = await terminal.see(/exit 0/);
      expect(screen.trim()).toBe("exit 0");
    });
  });
});

test("told to end from outside it leaves the terminal as it was", async () => {
  await withSandbox("ended", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, HOME);
    const args = ["ephemeral", "-i", "--home", sandbox.home];
    await inTerminal(sandbox, args, WIDE, async (terminal) => {
      await terminal.see(/Firefox/);
      process.kill(processOf(args), "SIGTERM");
      expect((await terminal.see(/exit 0/)).trim()).toBe("exit 0");
    });
  });
});

test.each([20, 40])("%i columns: every line fits, names are escaped, keys work", async (columns) => {
  await withSandbox("narrow", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, HOME);
    await inTerminal(sandbox, ["ephemeral", "-i"], { columns, rows: 14 }, async (terminal) => {
      const screen = await terminal.see(/49 KiB.*moz/);
      expect(screen).toMatch(columns === 20 ? /evi/ : /evil\\x1b\[31m\\nname/);
      for (const line of screen.split("\n")) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
      await terminal.press("G", "Up", "p", "f");
      await terminal.see(/1 marked/);
      await terminal.press("n");
      await terminal.see(/files = \[\s+"\.bash_history"[^]*exit 0/);
    });
  });
});

test("a hundred entries in a small window scroll with the cursor", async () => {
  await withSandbox("scroll", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`file-${index + 100}`, 10])));
    await inTerminal(sandbox, ["ephemeral", "-i"], { columns: 60, rows: 12 }, async (terminal) => {
      expect(await terminal.see(/file-100/)).not.toMatch(/file-115/);
      await terminal.press("NPage", "NPage");
      await terminal.see(/file-112/);
      await terminal.press("G");
      expect(await terminal.see(/file-199/)).not.toMatch(/file-100/);
      await terminal.press("C-c");
      await terminal.see(/exit 0/);
    });
  });
});

test("what could not be read is told in a line of its own", async () => {
  await withSandbox("unread", {}, async (sandbox) => {
    execFileSync("python3", ["-c", "import os\nfor _ in range(2100):\n os.mkdir('d'); os.chdir('d')"], { cwd: sandbox.home });
    const args = ["ephemeral", "-i"];
    await inTerminal(sandbox, args, WIDE, async (terminal) => {
      await terminal.see(/nothing would be gone at reboot, but one place could not be read\nexit 0/);
    });
    plant(sandbox, sandbox.home, Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`file-${index + 10}`, 10])));
    await inTerminal(sandbox, args, { columns: 40, rows: 14 }, async (terminal) => {
      const screen = await terminal.see(/would be gone at reboot\none place could not be read: .*\nkeep 0/);
      expect(screen).toMatch(/file-16\np keep/);
      await terminal.press("G");
      await terminal.see(/file-39\np keep/);
    });
  });
});

test("NO_COLOR is honoured, and without a terminal it says so", async () => {
  await withSandbox("plain", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, HOME);
    await inTerminal(
      sandbox,
      ["ephemeral", "-i"],
      WIDE,
      async (terminal) => {
        await terminal.see(/Firefox/);
        expect(await terminal.screen(true)).not.toMatch(/\x1b\[[0-9;]*3[0-9]m/);
      },
      { NO_COLOR: "1" },
    );
    await inTerminal(sandbox, ["ephemeral"], WIDE, async (terminal) => {
      await terminal.see(/exit 0/);
      expect(await terminal.screen(true)).toMatch(/\x1b\[[0-9;]*36m/);
    });
    const { code, stderr } = await sandbox.run(["ephemeral", "--interactive"]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/needs a terminal/)]);
  });
});

test("the table on a terminal of 40 columns", async () => {
  await withSandbox("table", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { ...HOME, [`.config/${"long-name-".repeat(8)}end`]: 5 });
    await inTerminal(sandbox, ["ephemeral"], { columns: 40, rows: 24 }, async (terminal) => {
      const screen = await terminal.see(/exit 0/);
      expect(screen).toMatch(/49 KiB .*~\/\.mozilla\/$/m);
      expect(screen).toMatch(/5 B .*~\/\.con.*\u2026.*end$/m);
    });
  });
});

test("a configuration that would become invalid is not written", async () => {
  await withSandbox("invalid", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { ".app/storage/x": 1 });
    const text = JSON.stringify({ home: sandbox.home, persistence: {} });
    writeFileSync(sandbox.configFile, text);
    const args = ["ephemeral", "-i", "--config", sandbox.configFile, "--storage", join(sandbox.home, ".app/storage")];
    await inTerminal(sandbox, args, WIDE, async (terminal) => {
      await terminal.see(/would be gone/);
      await terminal.press("p", "f", "w");
      await terminal.see(/would hide the storage[^]*exit 2/);
    });
    expect(readFileSync(sandbox.configFile, "utf8")).toBe(text);
  });
});

test("a full disk: the configuration stays as it was, and why is one line", async () => {
  await withSandbox("full-disk", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { ".mozilla/x": 1 });
    const disk = join(sandbox.base, "etc");
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
    try {
      const file = join(disk, "config.json");
      const directories = Array.from({ length: 400 }, (_, index) => `a-directory-of-some-program-${index}`);
      const text = JSON.stringify({ home: sandbox.home, persistence: { [sandbox.storage]: { directories } } });
      writeFileSync(file, text);
      writeFileSync(join(disk, "other"), Buffer.alloc(65_536 - 8192 - Math.ceil(text.length / 4096) * 4096));
      await inTerminal(sandbox, ["ephemeral", "-i", "--config", file], WIDE, async (terminal) => {
        await terminal.see(/would be gone/);
        await terminal.press("p", "f", "w");
        await terminal.see(/config\.json cannot be written: ENOSPC\n +hint: make room[^]*exit 4/);
      });
      expect(readFileSync(file, "utf8")).toBe(text);
      expect(readdirSync(disk).sort()).toEqual(["config.json", "other"]);
    } finally {
      execFileSync("umount", [disk]);
    }
  });
});

test("what root writes into a user's configuration that user can read, also one that begins with a byte order mark", async () => {
  await withSandbox("byte-order", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { ".mozilla/x": 1 });
    sandbox.writeConfig(`\ufeff${JSON.stringify({ home: sandbox.home, persistence: { [sandbox.storage]: {} } })}`);
    chownSync(sandbox.configFile, 1234, 1234);
    await inTerminal(sandbox, ["ephemeral", "-i", "--config", sandbox.configFile], WIDE, async (terminal) => {
      await terminal.see(/would be gone/);
      await terminal.press("p", "f", "w");
      await terminal.see(/written: [^]*exit 0/);
    });
    const { persistence } = JSON.parse(readFileSync(sandbox.configFile, "utf8")) as { persistence: object };
    expect(persistence).toEqual({ [sandbox.storage]: { directories: [".mozilla"] } });
    expect(statSync(sandbox.configFile)).toMatchObject({ uid: 1234, gid: 1234 });
  });
});

test("with --diff a directory shows what is new or changed in it, and nothing else", async () => {
  await withSandbox("look-into", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { ".app/one/old": 1, ".app/one/other": 1, ".app/two/old": 1 });
    await review(sandbox, "--save-baseline");
    plant(sandbox, sandbox.home, { ".app/one/new": 1 });
    await inTerminal(sandbox, ["ephemeral", "-i", "--diff"], WIDE, async (terminal) => {
      await terminal.see(/\.app\//);
      await terminal.press("Right");
      expect(await terminal.see(/~\/\.app\n[^]*one\//)).not.toContain("two");
      await terminal.press("Right");
      expect(await terminal.see(/~\/\.app\/one\n[^]*new/)).not.toMatch(/old|other/);
      await terminal.press("q");
      await terminal.see(/exit 0/);
    });
  });
});

test("nothing is written for a storage that is not there", async () => {
  await withSandbox("absent", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, HOME);
    const storage = join(sandbox.base, "nothere");
    for (const persistence of [undefined, { [storage]: {} }]) {
      const text = JSON.stringify({ home: sandbox.home, persistence });
      writeFileSync(sandbox.configFile, text);
      const args = ["ephemeral", "-i", "--config", sandbox.configFile, ...(persistence === undefined ? ["--storage", storage] : [])];
      await inTerminal(sandbox, args, WIDE, async (terminal) => {
        await terminal.see(/would be gone/);
        await terminal.press("p", "f");
        await terminal.see(/nothere does not exist; mount or create it/);
        await terminal.press("w", "a", "q");
        await terminal.see(/exit 0/);
      });
      expect(readFileSync(sandbox.configFile, "utf8")).toBe(text);
    }
  });
});

test("--storage is a path, however it is written: a configured storage is used, and none is added", async () => {
  await withSandbox("spelled", {}, async (sandbox) => {
    plant(sandbox, sandbox.home, { ".mozilla/x": 1 });
    sandbox.writeConfig({ home: sandbox.home, persistence: { main: { persistentStoragePath: sandbox.storage } } });
    const args = ["ephemeral", "-i", "--config", sandbox.configFile, "--storage", `${sandbox.storage}/./`];
    await inTerminal(sandbox, args, WIDE, async (terminal) => {
      await terminal.see(/would be gone/);
      await terminal.press("p", "f", "w");
      await terminal.see(/written: [^]*exit 0/);
    });
    const { persistence } = JSON.parse(readFileSync(sandbox.configFile, "utf8")) as { persistence: object };
    expect(persistence).toEqual({ main: { persistentStoragePath: sandbox.storage, directories: [".mozilla"] } });
    expect((await sandbox.run(["ephemeral", "--nix", "--config", sandbox.configFile, "--storage", `${sandbox.storage}/`])).code).toBe(0);
  });
});
