// Copies a tree with everything it has: hard links among its files, holes, fifos, sockets, links, owners, permissions, ACLs, extended
// attributes, times. Nothing is made durable here; the caller syncs the filesystem once.
import { O_CLOEXEC, O_CREAT, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY, S_IFMT, AT_SYMLINK_NOFOLLOW } from "../sys/constants.ts";
import { call, raw } from "../sys/call.ts";
import { linkat, mkdirat, readlinkat, symlinkat } from "../sys/dir.ts";
import { close, openat } from "../sys/file.ts";
import { libc } from "../sys/libc.ts";
import { cstr, type CName } from "../sys/name.ts";
import { isDirectory, isRegular, isSymlink, statAt, statFd, type Stat } from "../sys/stat.ts";
import { utimensAt, utimensFd } from "../sys/times.ts";
import { copyData } from "../link/copy-data.ts";
import { copyAttributes, copyMetadata } from "../link/metadata.ts";
import { inDirectory, namesIn, shownPath, withFile } from "./tree.ts";

export interface CopyTools {
  /** Told of each piece of data. */
  readonly progress: (bytes: number) => void;
  /** What storage cannot hold, in words. */
  readonly lost: string[];
}

interface Copied {
  readonly dir: number;
  readonly name: CName;
}

export class TreeCopy {
  readonly #tools: CopyTools;
  // Where a file with several names was copied first: (dev, ino) -> an open directory and the name there.
  readonly #linked = new Map<string, Copied>();
  readonly #held = new Map<string, number>();

  constructor(tools: CopyTools) {
    this.#tools = tools;
  }

  /** Copies `name` in `from` to `toName` in `to`, which does not exist yet. */
  copy(from: number, name: CName, to: number, toName: CName, shown = ""): void {
    const stat = statAt(from, name);
    if (stat === undefined) return;
    if (isDirectory(stat)) return this.#directory(from, name, stat, to, toName, shown);
    const key = `${stat.dev}/${stat.ino}`;
    const first = stat.nlink > 1 ? this.#linked.get(key) : undefined;
    if (first !== undefined) return linkat(first.dir, first.name, to, toName);
    if (isRegular(stat)) this.#file(from, name, to, toName, shown);
    else this.#other(from, name, stat, to, toName, shown);
    if (stat.nlink > 1) this.#linked.set(key, { dir: this.#hold(to), name: toName });
  }

  /** Closes what hard links were remembered by. */
  end(): void {
    for (const fd of this.#held.values()) close(fd);
    this.#held.clear();
  }

  #hold(dir: number): number {
    const key = String(statFd(dir).ino);
    const held = this.#held.get(key) ?? openat(dir, cstr("."), O_PATH | O_CLOEXEC);
    this.#held.set(key, held);
    return held;
  }

  #directory(from: number, name: CName, stat: Stat, to: number, toName: CName, shown: string): void {
    mkdirat(to, toName, 0o700);
    inDirectory(from, name, (source) =>
      inDirectory(to, toName, (copy) => {
        for (const child of namesIn(source)) this.copy(source, child, copy, child, shownPath(shown, child));
        this.#note(copyAttributes(source, stat, copy), shown);
        // Last: making its entries changed the time.
        utimensFd(copy, stat.atimeNs, stat.mtimeNs);
      }),
    );
  }

  #file(from: number, name: CName, to: number, toName: CName, shown: string): void {
    withFile(from, name, (source) => {
      const copy = openat(to, toName, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600);
      try {
        const stat = statFd(source);
        copyData(source, copy, stat.size, this.#tools.progress);
        this.#note(copyMetadata(source, stat, copy), shown);
      } finally {
        close(copy);
      }
    });
  }

  #other(from: number, name: CName, stat: Stat, to: number, toName: CName, shown: string): void {
    if (isSymlink(stat)) {
      symlinkat(cstr(readlinkat(from, name)), to, toName);
      const owned = raw(libc.fchownat, to, toName, stat.uid, stat.gid, AT_SYMLINK_NOFOLLOW);
      if (owned < 0) this.#note([`owner ${stat.uid}:${stat.gid}`], shown);
    } else {
      call("mknodat", shown, libc.mknodat, to, toName, (stat.mode & S_IFMT) | 0o600, stat.rdev);
      this.#attributes(from, name, stat, to, toName, shown);
    }
    utimensAt(to, toName, stat.atimeNs, stat.mtimeNs);
  }

  #attributes(from: number, name: CName, stat: Stat, to: number, toName: CName, shown: string): void {
    const source = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    const copy = openat(to, toName, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    try {
      this.#note(copyAttributes(source, stat, copy), shown);
    } finally {
      close(source);
      close(copy);
    }
  }

  #note(lost: readonly string[], shown: string): void {
    for (const what of lost) this.#tools.lost.push(`${shown === "" ? "." : shown}: ${what}`);
  }
}
