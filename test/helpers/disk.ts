// A disk of a test's own, an image mounted by loop, and what would be left on it after a power cut.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeTree, tempDirectory } from "./temp.ts";

export interface Disk {
  /** Shows the disk as it is now without what only memory knows. */
  readonly afterPowerCut: <T>(look: (path: string) => T) => T;
}

const run = (command: string, ...args: string[]): void => void execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });

/** Mounts an ext4 on `path`; `options` are those of mkfs. */
export async function withDisk(path: string, options: readonly string[], work: (disk: Disk) => Promise<void> | void): Promise<void> {
  const base = tempDirectory("disk");
  const [image, cut, shown] = [join(base, "image"), join(base, "cut"), join(base, "shown")];
  const afterPowerCut = <T>(look: (path: string) => T): T => {
    copyFileSync(image, cut);
    mkdirSync(shown, { recursive: true });
    run("mount", "-o", "loop", cut, shown);
    try {
      return look(shown);
    } finally {
      run("umount", shown);
    }
  };
  try {
    writeFileSync(image, "");
    truncateSync(image, 64 * 1024 * 1024);
    run("mkfs.ext4", "-q", "-m", "0", ...options, image);
    run("mount", "-o", "loop", image, path);
    try {
      await work({ afterPowerCut });
    } finally {
      run("umount", path);
    }
  } finally {
    removeTree(base);
  }
}
