// Which files of a tree somebody has open for writing, or mapped. The kernel is asked, by a lease on each: what /proc shows is only what
// this user may see. Where there are no leases /proc has to do.
import { isErrno } from "../sys/errno.ts";
import { dropLease, takeReadLease } from "../sys/lease.ts";
import { isRegular, statFd } from "../sys/stat.ts";
import { printable } from "../sys/text.ts";
import { fileId, writersOf, type Writer } from "../link/writers.ts";
import { withFile, type Visit } from "./tree.ts";

export class OpenFiles {
  // Files that are open for writing, and files of which only /proc can tell: what they are shown as, by their id.
  readonly #written = new Map<string, string>();
  readonly #unknown = new Map<string, string>();

  /** Looks at one file; directories and the like are passed over. */
  look({ dir, name, stat, shown }: Visit): void {
    if (!isRegular(stat)) return;
    try {
      withFile(dir, name, (fd) => {
        const lease = takeReadLease(fd);
        if (lease === "taken") dropLease(fd);
        else (lease === "writer" ? this.#written : this.#unknown).set(fileId(statFd(fd)), shown);
      });
    } catch (error) {
      // Gone, or something else by now: the comparison meets it.
      if (!isErrno(error, "ENOENT", "ELOOP", "ENXIO")) throw error;
    }
  }

  /** What is open for writing, with whoever does. */
  found(): { readonly shown: string; readonly who: string }[] {
    if (this.#written.size + this.#unknown.size === 0) return [];
    const writers = writersOf(new Set([...this.#written.keys(), ...this.#unknown.keys()]));
    const written = [...this.#written, ...[...this.#unknown].filter(([id]) => writers.has(id))];
    return written.map(([id, shown]) => ({ shown, who: describe(writers.get(id), shown) }));
  }
}

const describe = (writer: Writer | undefined, shown: string): string =>
  writer === undefined ? `a process that cannot be seen (${shown})` : printable(`${writer.command} (pid ${writer.pid}: ${writer.path})`);
