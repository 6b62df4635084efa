// /etc/fuse.conf (mount.fuse3(8)): fusermount3 refuses allow_other to ordinary users unless it says user_allow_other.
import { readFileSync } from "node:fs";

export interface FuseConf {
  readonly userAllowOther: boolean;
  /** How many FUSE mounts ordinary users may have in all; libfuse's default is 1000. */
  readonly mountMax: number;
}

export function readFuseConf(path = "/etc/fuse.conf"): FuseConf {
  let text = "";
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // No file means the defaults.
  }
  const lines = text.split("\n").map((line) => line.replace(/#.*/, "").trim());
  const max = lines.map((line) => /^mount_max\s*=\s*(-?\d+)$/.exec(line)?.[1]).find((value) => value !== undefined);
  return { userAllowOther: lines.includes("user_allow_other"), mountMax: max === undefined ? 1000 : Number(max) };
}
