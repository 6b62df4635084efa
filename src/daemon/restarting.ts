// A service manager says "stop" with the same SIGTERM whether it will start the service again or not. On a restart the mounts must stay:
// their descriptors lie in its store and the next daemon goes on with them. So the pending job is looked up, with a deadline.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";

const DEADLINE_MS = 1_000;

/** Whether the service this process belongs to is being restarted. `NOTIFY_SOCKET` having been set says that it is a service. */
export function isRestart(): Promise<boolean> {
  const cgroup = readFileSync("/proc/self/cgroup", "utf8");
  const unit = /\/([^/\n]+\.service)\n?$/m.exec(cgroup)?.[1];
  if (unit === undefined) return Promise.resolve(false);
  const user = cgroup.includes("/user@") ? ["--user"] : [];
  return new Promise((resolve) => {
    execFile("systemctl", [...user, "list-jobs", "--no-legend", "--plain", unit], { timeout: DEADLINE_MS }, (error, stdout) => {
      // "  123 hmpersist.service restart running"
      resolve(error === null && stdout.split("\n").some((line) => line.includes(unit) && /\brestart\b/.test(line)));
    });
  });
}
