// The original, once a mountpoint or a link has its place: is all of it in storage? What was put there or changed after it was compared
// with the copy is late, and stays.
import { statAt, isDirectory, sameMount, statFd, type Stat } from "../sys/stat.ts";
import type { CName } from "../sys/name.ts";
import type { Place } from "../sys/walk.ts";
import { sameEntry } from "./compare.ts";
import type { Entry } from "./journal.ts";
import { OpenFiles } from "./open-files.ts";
import { inDirectory, namesIn, shownPath } from "./tree.ts";

export class Original {
  readonly #dir: number;
  readonly #name: CName;
  readonly #source: Place;
  readonly #copied: ReadonlySet<string>;
  readonly #verifiedNs: bigint;
  readonly #uncertain: boolean;
  #late: string[] = [];
  #open = new OpenFiles();

  /**
   * @param name its name in the open directory `dir`
   * @param source where its copy is
   * @param uncertain times tell nothing: the clock was set back
   */
  constructor(dir: number, name: CName, source: Place, entry: Entry, uncertain: boolean) {
    this.#dir = dir;
    this.#name = name;
    this.#source = source;
    this.#copied = new Set(entry.directories);
    this.#verifiedNs = BigInt(entry.verifiedNs);
    this.#uncertain = uncertain;
  }

  /** Paths of what is not in storage as it is, or may not be much longer. */
  late(): string[] {
    this.#late = [];
    this.#open = new OpenFiles();
    const { dir, name } = this.#source;
    inDirectory(this.#dir, this.#name, (fd) => inTwin(dir, name, (twin) => this.#look(fd, twin, "")));
    return [...this.#late, ...this.#open.found().map(({ shown }) => `${shown} (open for writing)`)];
  }

  #look(dir: number, twin: number | undefined, above: string): void {
    const here = statFd(dir);
    for (const name of namesIn(dir)) {
      const stat = statAt(dir, name);
      if (stat === undefined) continue;
      const shown = shownPath(above, name);
      if (!sameMount(stat, here)) this.#late.push(`${shown} (mounted)`);
      else if (!isDirectory(stat)) {
        if (this.#isChanged(dir, name, stat, twin)) this.#late.push(shown);
        else this.#open.look({ dir, name, stat, shown });
      } else if (!this.#copied.has(String(stat.ino))) {
        // Moved in from elsewhere: what it holds may be as old as it likes.
        this.#late.push(shown);
      } else inDirectory(dir, name, (fd) => inTwin(twin, name, (below) => this.#look(fd, below, shown)));
    }
  }

  #isChanged(dir: number, name: CName, stat: Stat, twin: number | undefined): boolean {
    if (!this.#uncertain && stat.ctimeNs <= this.#verifiedNs) return false;
    const stored = twin === undefined ? undefined : statAt(twin, name);
    return twin === undefined || stored === undefined || !sameEntry(dir, name, stat, twin, name, stored);
  }
}

// With the directory of the same name in storage, if there is one.
function inTwin<T>(dir: number | undefined, name: CName, work: (fd: number | undefined) => T): T {
  const stat = dir === undefined ? undefined : statAt(dir, name);
  if (dir === undefined || stat === undefined || !isDirectory(stat)) return work(undefined);
  return inDirectory(dir, name, work);
}
