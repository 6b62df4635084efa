// fstab(5): what is meant to be mounted where. A directory named there on which nothing is mounted belongs to a disk that is not there.
import { readFileSync } from "node:fs";
import { decodeOctal } from "./mountinfo.ts";

/** The mountpoints in the text of an fstab; the root and swap are none. */
export function parseFstab(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([device = "", mountpoint = "", type]) => !device.startsWith("#") && mountpoint.startsWith("/") && type !== "swap")
    .map(([, mountpoint = ""]) => decodeOctal(mountpoint).replace(/(?<=.)\/+$/, ""))
    .filter((mountpoint) => mountpoint !== "/");
}

/** Those of this machine; none where there is no such file. */
export function readFstab(path = "/etc/fstab"): string[] {
  try {
    return parseFstab(readFileSync(path, "latin1"));
  } catch {
    return [];
  }
}
