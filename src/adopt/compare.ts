// Compares two trees: is the copy what was copied, and where do home and storage differ?
import { O_CLOEXEC, O_NOFOLLOW, O_PATH, S_IFMT } from "../sys/constants.ts";
import { readlinkat } from "../sys/dir.ts";
import { getXattr, listXattrs } from "../sys/fd-path.ts";
import { close, openat } from "../sys/file.ts";
import type { CName } from "../sys/name.ts";
import { isDirectory, isRegular, isSymlink, statAt, type Stat } from "../sys/stat.ts";
import { isAcl, isCopied } from "../link/metadata.ts";
import { sameBytes } from "../link/observe.ts";
import { inDirectory, namesIn, shownPath, withFile } from "./tree.ts";

export interface Comparison {
  readonly differences: readonly Difference[];
  /** Inode numbers of the home's directories that storage has, too. */
  readonly directories: readonly string[];
}

export interface Difference {
  readonly shown: string;
  /** Undefined: what they hold. */
  readonly what: "only in home" | "only in storage" | "permissions, owner or attributes" | undefined;
}

/**
 * Where two trees differ.
 * @param exact also in times and hard links, which a copy must have, too
 */
export function compareTrees(homeDir: number, homeName: CName, storageDir: number, storageName: CName, exact: boolean): Comparison {
  const differences: Difference[] = [];
  const directories: string[] = [];
  const links = new Map<string, string>();
  const compare = (a: number, aName: CName, b: number, bName: CName, shown: string): void => {
    const home = statAt(a, aName);
    const storage = statAt(b, bName);
    const differ = (what?: Difference["what"]): void => void differences.push({ shown: shown === "" ? "." : shown, what });
    if (home === undefined) return storage === undefined ? undefined : differ("only in storage");
    if (storage === undefined) return differ("only in home");
    if (!isSameKind(home, storage)) return differ();
    const same = isDirectory(home) || sameThing(a, aName, home, b, bName, storage);
    if (!same || (exact && (!sameTime(home.mtimeNs, storage.mtimeNs) || !sameHardLinks(links, home, storage)))) differ();
    else if (!sameMetadata(a, aName, home, b, bName, storage)) differ("permissions, owner or attributes");
    if (!isDirectory(home)) return;
    directories.push(String(home.ino));
    inDirectory(a, aName, (homeFd) =>
      inDirectory(b, bName, (storageFd) => {
        const names = new Map([...namesIn(homeFd), ...namesIn(storageFd)].map((name) => [Buffer.from(name).toString("latin1"), name]));
        for (const name of names.values()) compare(homeFd, name, storageFd, name, shownPath(shown, name));
      }),
    );
  };
  compare(homeDir, homeName, storageDir, storageName, "");
  return { differences, directories };
}

/** Whether two things, no directories, are the same but for their times. */
export const sameEntry = (a: number, aName: CName, home: Stat, b: number, bName: CName, storage: Stat): boolean =>
  isSameKind(home, storage) && sameMetadata(a, aName, home, b, bName, storage) && sameThing(a, aName, home, b, bName, storage);

const isSameKind = (a: Stat, b: Stat): boolean => (a.mode & S_IFMT) === (b.mode & S_IFMT);

// Of one kind, no directories.
function sameThing(a: number, aName: CName, home: Stat, b: number, bName: CName, storage: Stat): boolean {
  if (isSymlink(home)) return readlinkat(a, aName).equals(readlinkat(b, bName));
  if (!isRegular(home)) return home.rdev === storage.rdev;
  return home.size === storage.size && withFile(a, aName, (x) => withFile(b, bName, (y) => sameBytes(x, y)));
}

const sameMetadata = (a: number, aName: CName, home: Stat, b: number, bName: CName, storage: Stat): boolean =>
  (isSymlink(home) || home.mode === storage.mode) && home.uid === storage.uid && home.gid === storage.gid && sameXattrs(a, aName, b, bName);

// Of storages that keep times: nothing less than nanoseconds, ..., a second (ext4 with small inodes), two (FAT).
const UNITS = [1n, 100n, 1_000n, 1_000_000n, 10_000_000n, 1_000_000_000n, 2_000_000_000n];

/** Whether `storage` is what a filesystem may have made of the time `home`. */
const sameTime = (home: bigint, storage: bigint): boolean => UNITS.some((unit) => home - (((home % unit) + unit) % unit) === storage);

// Two names of one file must be two names of one file again.
function sameHardLinks(links: Map<string, string>, home: Stat, storage: Stat): boolean {
  if (isDirectory(home) || home.nlink === 1) return true;
  const key = `${home.dev}/${home.ino}`;
  const known = links.get(key);
  if (known === undefined) links.set(key, String(storage.ino));
  return known === undefined || known === String(storage.ino);
}

function sameXattrs(a: number, aName: CName, b: number, bName: CName): boolean {
  const fds = [openat(a, aName, O_PATH | O_NOFOLLOW | O_CLOEXEC), openat(b, bName, O_PATH | O_NOFOLLOW | O_CLOEXEC)];
  try {
    const [x = -1, y = -1] = fds;
    // An ACL that only storage's has lets others in.
    const foreign = listXattrs(y).filter((name) => isAcl(name));
    return [...listXattrs(x), ...foreign]
      .filter((name) => isCopied(name))
      .every((name) => getXattr(y, name)?.equals(getXattr(x, name) ?? Buffer.alloc(0)) === true);
  } finally {
    for (const fd of fds) close(fd);
  }
}
