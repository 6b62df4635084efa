// What the modules render is judged by the program itself: accepted where Nix accepts, refused where it refuses.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { root, tests } from "./nix.ts";

/** Refused by the module for what no configuration file tells. */
const ONLY_NIX_KNOWS: Record<string, string> = {
  "refused-bind": "who runs it",
  "refused-home-file": "what else Home Manager writes",
  "refused-owner": "whose home it is, and what NixOS allows",
  "refused-unit": "where the unit lies",
};

const expectations = readdirSync(join(tests, "expected")).map((name) => {
  const { file, refused } = JSON.parse(readFileSync(join(tests, "expected", name), "utf8")) as { file: unknown; refused: string[] };
  return { name: basename(name, ".json"), file, refused };
});

it.each(expectations.filter(({ file }) => file !== null))("config check agrees on $name", ({ name, file, refused }) => {
  const base = mkdtempSync(join(tmpdir(), "hmp-check-"));
  writeFileSync(join(base, "config.json"), JSON.stringify(file));
  const check = spawnSync(process.execPath, [join(root, "bin/hmpersist.js"), "config", "check", join(base, "config.json")], {
    encoding: "utf8",
  });
  rmSync(base, { recursive: true });
  const accepted = refused.length === 0 || name in ONLY_NIX_KNOWS;
  expect(check.status, check.stderr).toBe(accepted ? 0 : 2);
  if (name === "wiki") expect(check.stdout).toContain("22 directories and 59 files");
});
