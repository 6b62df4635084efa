// The committed hash of node_modules is that of the lock file: made by the same script as in nix/package.nix's derivation.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { noNix, root } from "./nix.ts";

it("nix/node-modules-hashes.json fits package-lock.json", { timeout: 180_000 }, ({ skip }) => {
  if (noNix !== undefined) return skip(noNix);
  const check = spawnSync(join(root, "nix/update-hashes"), ["--check"], { encoding: "utf8", timeout: 170_000 });
  const mismatch = check.stderr.includes("nix:hash");
  if (check.status !== 0 && !mismatch) {
    console.log(`skipped: node_modules could not be installed anew: ${check.stderr.slice(-500)}`);
    return skip("no package registry");
  }
  expect(mismatch, check.stderr).toBe(false);
});
