// The user's service manager, asked through systemctl: absent in a container, unreachable from a cron job, and neither is a failure here.
import { spawnSync } from "node:child_process";

/** Runs `systemctl --user` with `args`; undefined where there is no systemctl or no manager answers. */
export function systemctlUser(args: readonly string[], env: NodeJS.ProcessEnv): { ok: boolean; output: string } | undefined {
  const uid = process.getuid?.() ?? 0;
  const XDG_RUNTIME_DIR = env["XDG_RUNTIME_DIR"] ?? `/run/user/${uid}`;
  const ran = spawnSync("systemctl", ["--user", ...args], { env: { ...env, XDG_RUNTIME_DIR }, encoding: "utf8", timeout: 60_000 });
  if (ran.error !== undefined || /Failed to connect to bus|not been booted/.test(ran.stderr)) return undefined;
  return { ok: ran.status === 0, output: (ran.stdout + ran.stderr).trim() };
}
