// What is measured: one row of the table each, in the order they run on a fresh mount. "f" files lie in the storage before the mount
// is made (their first use is cold), "n" files are created through it.

export interface Row {
  readonly name: string;
  /** Metadata rows have a target of their own. */
  readonly kind: "metadata" | "data" | "program";
  /** A command that runs first and is not measured. */
  readonly before?: readonly string[];
  /** Where it runs, below the mount's root. */
  readonly directory: string;
  /** Arguments of the client; the number of operations first. */
  readonly client: readonly [row: string, count: number, ...rest: string[]];
  /** The unit a person reads: microseconds per operation, or milliseconds for a program as a whole. */
  readonly unit: "us/op" | "us/MiB" | "ms";
}

export interface Sizes {
  readonly files: number;
  readonly mib: number;
  readonly random: number;
  readonly commits: number;
}
export const SIZES: Sizes = { files: 2_000, mib: 64, random: 4_000, commits: 200 };

/** @param repository the bare repository that is cloned, and `archive` its files as a tar file; both outside any mount. */
export function makeRows(sizes: Sizes, repository: string, archive: string): Row[] {
  const { files, mib, random, commits } = sizes;
  const metadata = (name: string, row: string, directory: string): Row => ({
    name,
    kind: "metadata",
    directory,
    client: [row, files],
    unit: "us/op",
  });
  const data = (name: string, row: string, count: number, unit: Row["unit"]): Row => ({
    name,
    kind: "data",
    directory: "new",
    client: [row, count],
    unit,
  });
  const program = (name: string, ...command: string[]): Row => ({
    name,
    kind: "program",
    directory: ".",
    client: ["exec", 1, ...command],
    unit: "ms",
  });
  return [
    metadata("stat, first time", "stat", "old"),
    metadata("stat, warm", "stat", "old"),
    metadata("open + read 4 KiB + close, first time", "open-read", "old"),
    metadata("open + read 4 KiB + close, warm", "open-read", "old"),
    metadata("scandir + stat of each", "scan", "scan"),
    metadata("lookup of a missing name", "enoent", "old"),
    metadata("create + write 4 KiB + close", "create", "new"),
    metadata("chmod", "chmod", "new"),
    metadata("rename", "rename", "new"),
    metadata("unlink", "unlink", "new"),
    data("sequential write", "sequential-write", mib, "us/MiB"),
    data("sequential read", "sequential-read", mib, "us/MiB"),
    data("random write 4 KiB", "random-write", random, "us/op"),
    data("sequential read, again", "sequential-read", mib, "us/MiB"),
    data("random read 4 KiB", "random-read", random, "us/op"),
    data("mmap read 4 KiB", "mmap-read", random, "us/op"),
    { name: "4 processes in parallel", kind: "metadata", directory: ".", client: ["parallel", Math.round(files / 8)], unit: "us/op" },
    program("git clone", "git", "clone", "-q", "--no-hardlinks", repository, "clone"),
    // git reads every file again that was written in the second of the index: how many is chance, and a fast clone has more. So the first
    // status, which mends that, does not count; nor do entries cached for a second by it.
    {
      ...program("git status", "git", "-C", "clone", "status", "--short"),
      before: ["sh", "-c", "sleep 1.1; git -C clone status --short; sleep 1.1"],
    },
    program("rm -rf of the clone", "rm", "-rf", "clone"),
    program("tar x", "tar", "xf", archive),
    program("rm -rf of the tree", "rm", "-rf", "tree"),
    program("sqlite: insert and commit", "/usr/bin/python3", "-c", SQLITE, String(commits)),
  ];
}

const SQLITE = `import sqlite3, sys
db = sqlite3.connect("bench.db", isolation_level=None)
db.execute("pragma journal_mode=wal")
db.execute("create table t (n integer primary key, text)")
for n in range(int(sys.argv[1])): db.execute("insert into t values (?, ?)", (n, "x" * 200))
`;
