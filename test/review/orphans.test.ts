// What lies in storage that no entry names.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { OrphansReport } from "../../src/review/orphans.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";
import { plant } from "./tree.ts";

const orphans = async (sandbox: Sandbox): Promise<OrphansReport["storages"]> =>
  (JSON.parse((await sandbox.run(["orphans", "--json", "--config", sandbox.configFile])).stdout) as OrphansReport).storages;

test("per storage, one storage in another, prefixes honoured", async () => {
  await withSandbox("orphans", {}, async (sandbox) => {
    const dotfiles = join(sandbox.storage, "dotfiles");
    const plasma = join(dotfiles, "Plasma");
    plant(sandbox, dotfiles, {
      ".git/config": 1,
      "README.md": 2,
      "Firefox/.mozilla/used": 3,
      "Firefox/.cache/left": 4,
      "Atom/.atom/config.cson": 5,
      "Atom/.atom/old.cson": 6,
      "Code/.config/Code/settings": 70,
      "Code/.config/other": 8,
      "Empty/.empty": null,
      "Plasma/.config/gtk-3.0/x": 9,
      "Plasma/.config/gtk-2.0/x": 10,
      "Plasma/.config/kwinrc": 11,
      "Plasma/stray": 12,
      "Plasma/.hmpersist-adopt-0123456789abcdef.json": 13,
      "Code/.config/.hmpersist-new-0123456789abcdef": 14,
    });
    sandbox.writeConfig({
      home: sandbox.home,
      persistence: {
        [dotfiles]: { removePrefixDirectory: true, directories: ["Firefox/.mozilla"], files: ["Atom/.atom/config.cson"] },
        [plasma]: { directories: [".config/gtk-3.0"], files: [".config/kwinrc"] },
      },
    });
    const [outer, inner] = await orphans(sandbox);
    expect(outer?.groups.map(({ path, target, type, bytes }) => [path, target, type, bytes])).toEqual([
      ["Code/.config/Code", ".config/Code", "directory", 70],
      ["Code/.config/other", ".config/other", "file", 8],
      ["Atom/.atom/old.cson", ".atom/old.cson", "file", 6],
      ["Firefox/.cache/left", ".cache/left", "file", 4],
      ["README.md", null, "file", 2],
      ["Empty/.empty", ".empty", "directory", 0],
    ]);
    expect(outer?.groups[0]?.program).toBe("VS Code");
    expect(inner?.groups.map(({ path, target }) => [path, target])).toEqual([
      ["stray", "stray"],
      [".config/gtk-2.0", ".config/gtk-2.0"],
    ]);
    const shown = await sandbox.run(["orphans", "--config", sandbox.configFile]);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/70 B +1 +\S+ +Code\/\.config\/Code\/ +~\/\.config\/Code +VS Code/);
  });
});

test("a storage that is not there is told, and the others are looked at", async () => {
  await withSandbox("absent", {}, async (sandbox) => {
    const [a, b] = [join(sandbox.storage, "a"), join(sandbox.storage, "b")];
    plant(sandbox, a, { "kept/x": 1 });
    plant(sandbox, b, { "left/x": 1 });
    sandbox.writeConfig({ home: sandbox.home, persistence: { [a]: { directories: ["kept"] }, [b]: { directories: ["other"] } } });
    rmSync(a, { recursive: true });
    const { code, stdout } = await sandbox.run(["orphans", "--config", sandbox.configFile]);
    expect(code).toBe(7);
    expect(stdout).toMatch(/a: .*ENOENT/);
    expect(stdout).toMatch(/left\//);
  });
});
