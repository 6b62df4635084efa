// systemd's own opinion of the unit.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { unitText } from "../../src/service/unit.ts";

it.for([
  ["for one user", "/persist/a b.json", false],
  ["for all users", "/persist/%u.json", true],
  ["for all users, with a space", "/per sist/%u.json", true],
] as const)("systemd-analyze finds nothing in the unit %s", ([, config, specifiers], { skip }) => {
  const base = mkdtempSync(join(tmpdir(), "hmp-verify-"));
  const unit = join(base, "hmpersist.service");
  writeFileSync(unit, unitText({ program: [process.execPath, "/opt/hmpersist.js"], config, specifiers }));
  mkdirSync(join(base, "run"));
  const command = ["verify", "--user", "--man=no", "--recursive-errors=no", unit];
  const ran = spawnSync("systemd-analyze", command, { env: { ...process.env, XDG_RUNTIME_DIR: join(base, "run") }, encoding: "utf8" });
  rmSync(base, { recursive: true });
  if (ran.error !== undefined) return skip(`systemd-analyze: ${ran.error.message}`);
  expect(ran.stderr).toBe("");
  expect(ran.status).toBe(0);
});
