// Whether the file system a storage belongs on is mounted. The bare mountpoint of a disk that is not there is a directory like any other,
// and what is written into it is hidden when the disk comes back. It is known by fstab, or by having been mounted on while it was used.
import { readlinkSync } from "node:fs";
import { ancestors, isWithin } from "../config/place.ts";
import { filesystemOf } from "../mount/filesystem.ts";
import { readFstab } from "../sys/fstab.ts";
import type { MountInfo } from "../sys/mountinfo.ts";

type Table = readonly Pick<MountInfo, "id" | "mountpoint">[];

export class Storages {
  /** By storage: what it lay on when it was last seen to be there. */
  readonly #used = new Map<string, string>();
  readonly #fstab: () => readonly string[];
  readonly #isLink: (path: string) => boolean;

  constructor(fstab: () => readonly string[] = readFstab, isLink = isSymbolicLink) {
    this.#fstab = fstab;
    this.#isLink = isLink;
  }

  /** Of `storages` those whose file system is not mounted, with the mountpoint on which it should be. */
  unmounted(storages: Iterable<string>, table: Table): Map<string, string> {
    const listed = this.#fstab();
    const bare = new Map<string, string>();
    for (const storage of storages) {
      const expected = [...listed, this.#used.get(storage) ?? "/"].filter((mountpoint) => isWithin(storage, mountpoint));
      const missing = expected.find((mountpoint) => mountpoint !== "/" && !table.some((mount) => mount.mountpoint === mountpoint));
      if (missing !== undefined && !this.#isElsewhere(missing, table)) bare.set(storage, missing);
    }
    return bare;
  }

  // What is reached through a symbolic link has another name in the mount table. Below a mount nothing is looked at: it might hang.
  #isElsewhere(mountpoint: string, table: Table): boolean {
    for (const path of [...ancestors(mountpoint).reverse(), mountpoint]) {
      if (table.some((mount) => mount.mountpoint === path)) return false;
      if (this.#isLink(path)) return true;
    }
    return false;
  }

  /** `storage` is in use, on the file system it is on now. */
  used(storage: string, table: Table): void {
    this.#used.set(storage, filesystemOf(storage, table)?.mountpoint ?? "/");
  }
}

/** Another text whenever the file system of one of `storages` comes, goes or is covered by another. */
export const fingerprint = (storages: Iterable<string>, table: Table): string =>
  [...storages].map((storage) => filesystemOf(storage, table)?.id ?? 0).join(" ");

function isSymbolicLink(path: string): boolean {
  try {
    readlinkSync(path);
    return true;
  } catch {
    return false;
  }
}
