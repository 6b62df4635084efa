// Can this kernel and this /dev/fuse be used?
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { release } from "node:os";
import { about, type Check } from "./check.ts";

// FUSE_NOTIFY_RESEND and FUSE_PASSTHROUGH came with 6.9; READDIRPLUS, writeback, PARALLEL_DIROPS and O_PATH's friends are all in 5.4,
// the oldest kernel that is still maintained anywhere.
const RESEND = [6, 9] as const;
const OLDEST = [5, 4] as const;

const isAtLeast = (version: readonly number[], wanted: readonly [number, number]): boolean =>
  (version[0] ?? 0) > wanted[0] || ((version[0] ?? 0) === wanted[0] && (version[1] ?? 0) >= wanted[1]);

export const kernel: Check = () => {
  const { ok, warning, problem } = about("kernel");
  const text = release();
  const version = text.split(/[.-]/).map(Number);
  if (!readFileSync("/proc/filesystems", "utf8").split("\n").includes("nodev\tfuse")) {
    return [problem(`${text} has no FUSE`, "as root: modprobe fuse")];
  }
  if (!isAtLeast(version, OLDEST)) return [warning(`${text} is older than anything this was tried on`, "use Linux 5.4 or newer")];
  if (!isAtLeast(version, RESEND)) {
    return [ok(`${text}; from 6.9 on, what a crashed server had not answered yet would be served by the next one`)];
  }
  return [ok(`${text}: FUSE, and a crashed server's open requests are served by the next one`)];
};

export const device: Check = ({ uid }) => {
  const { ok, problem } = about("/dev/fuse");
  if (!existsSync("/dev/fuse"))
    return [problem("does not exist", "as root: modprobe fuse; in a container: start it with --device /dev/fuse")];
  const { mode } = statSync("/dev/fuse");
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
  } catch {
    return [
      problem(
        `may not be opened by you (mode 0${(mode & 0o777).toString(8)})`,
        "as root: chmod 0666 /dev/fuse, as udev does on most systems",
      ),
    ];
  }
  if (uid === 0 && (mode & 0o006) !== 0o006) return [ok("usable by root; ordinary users may not open it")];
  return [ok("may be opened")];
};
