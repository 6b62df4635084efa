// Programs people run, on the mount and beside it: the same commands must leave the same tree, byte for byte, with modes, times, links
// and attributes. Served as an ordinary user serves, in both cache modes.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deadline } from "../helpers/deadline.ts";
import { startMount, type Mounted } from "../helpers/mounted.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";
import { shell } from "./shell.ts";

const NOBODY = 65_534;
const RUN_MS = 100_000;
let inputs = "";

beforeAll(() => {
  inputs = tempDirectory("workload-inputs", { base: SHM });
  const tree = join(inputs, "tree");
  // Like node_modules: many small files, a few levels, links, an executable.
  for (let index = 0; index < 800; index += 1) {
    const directory = join(tree, `package-${index % 60}/lib/${index % 7}`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `file-${index}.js`), `export const n${index} = ${index};\n`.repeat(1 + (index % 40)));
  }
  const make = `set -e; cd ${tree}; ln -s package-1/lib link; ln package-1/lib/1/file-1.js hard.js; printf '#!/bin/sh\\necho ran\\n' > run; chmod 755 run
    truncate -s 3M sparse; printf end | dd of=sparse bs=1 seek=3000000 conv=notrunc status=none; setfattr -n user.note -v value run
    touch -d '1965-01-02 03:04:05.123456789' package-2/lib; touch -d '2040-01-02 03:04:05.987654321' hard.js; chmod 2755 package-3; chmod 600 package-4/lib/*/*.js
    git init -q .; git -c user.name=t -c user.email=t@example.org -c core.autocrlf=false add . ; git -c user.name=t -c user.email=t@example.org commit -qm tree
    tar -cf ../tree.tar --sort=name --xattrs --exclude=.git .`;
  execFileSync("bash", ["-c", make]);
  execFileSync("chown", ["-R", `${NOBODY}:${NOBODY}`, inputs]);
});
afterAll(() => removeTree(inputs));

/** What a tree is, in lines: everything but what must differ (inode numbers, change times). `times` where the program sets them. */
const fingerprint = (times: boolean): string =>
  `cd "$1" && find . -mindepth 1 -name .git -prune -o -mindepth 1 -printf '%P %y %m %U:%G %n %l ${times ? "%T@" : ""}\\n' | sort
   find . -name .git -prune -o -type f -print0 | sort -z | xargs -0r sha256sum
   find . -name .git -prune -o -type f -print0 | sort -z | xargs -0r getfattr -d 2>/dev/null || true`;

interface Workload {
  readonly title: string;
  /** Runs in an empty directory; $INPUTS is read-only by custom. What it prints must agree, too. */
  readonly script: string;
  readonly times: boolean;
}

const WORKLOADS: readonly Workload[] = [
  {
    title: "git clone, status, checkout, gc and fsck",
    times: false,
    script: `git clone -q --no-hardlinks "$INPUTS/tree" clone; cd clone; git status --short; git checkout -q -b side; git mv link renamed
      echo changed >> run; git -c user.name=t -c user.email=t@example.org commit -qam change --date=@0; git checkout -q -; git merge -q side; git gc -q; git fsck --no-progress; git status --short; git log --format=%T | head -n 1`,
  },
  {
    title: "tar x, three at the same time",
    times: true,
    script: `for n in 1 2 3; do mkdir $n; tar -xpf "$INPUTS/tree.tar" --xattrs -C $n 2>/dev/null & pids="$pids $!"; done; for pid in $pids; do wait $pid; done; touch 1 2 3 -d @0; ./1/run`,
  },
  {
    title: "rsync -aHAX, then again with nothing to do, then with a change",
    times: true,
    script: `rsync -aHAX --exclude=.git "$INPUTS/tree/" copy; rsync -aHAXi --exclude=.git "$INPUTS/tree/" copy; echo more >> copy/run; rsync -aHAXi --checksum --exclude=.git "$INPUTS/tree/" copy`,
  },
  {
    title: "cp -a and diff -r",
    times: true,
    script: `cp -a "$INPUTS/tree" copy; diff -r "$INPUTS/tree" copy; cp -a --reflink=auto copy second; rm -rf copy/.git second/.git; touch -r "$INPUTS/tree" copy second`,
  },
  {
    title: "rm -rf of a tree, and a tree made in its place",
    times: false,
    script: `cp -r "$INPUTS/tree" a; rm -rf a; mkdir a; ls -A a; cp -r "$INPUTS/tree" a/b; rm -rf a/b/.git a/b/package-?; find a | wc -l; mv a/b c; rmdir a`,
  },
  {
    title: "sqlite: a thousand rows in transactions, dumped",
    times: false,
    script: `sqlite3 db 'pragma journal_mode=wal' 'create table t(n integer, text)'; for n in $(seq 20); do (echo 'begin;'; for m in $(seq 50); do echo "insert into t values($n, 'row $m');"; done; echo 'commit;') | sqlite3 db; done
      sqlite3 db 'pragma integrity_check' 'select n, count(*) from t group by n' 'vacuum'; sqlite3 db .dump > dump; rm db`,
  },
  {
    title: "save as editors do: write a temporary file, fsync, rename, in a loop",
    times: false,
    script: `for n in $(seq 200); do echo "version $n" > .file.tmp; sync .file.tmp; mv .file.tmp file; test "$(cat file)" = "version $n"; done; sed -i s/version/edition/ file; cat file; ls -A`,
  },
  {
    title: "compile and run a C program",
    times: false,
    script: `printf '#include <stdio.h>\\nint main(void){puts("compiled");return 0;}\\n' > a.c; gcc -g -o a a.c; ./a; rm a`,
  },
];

describe.each(["shared", "exclusive"] as const)("%s", (cache) => {
  let storage = "";
  let beside = "";
  let mounted: Mounted;

  beforeAll(async () => {
    storage = tempDirectory("workload", { base: SHM, uid: NOBODY });
    beside = tempDirectory("workload-beside", { base: SHM, uid: NOBODY });
    mounted = await startMount({ engine: "kernel", cache, source: storage, uid: NOBODY });
  });
  afterAll(async () => {
    try {
      await mounted.unmount();
    } finally {
      await mounted.dispose();
      removeTree(storage);
      removeTree(beside);
    }
  });

  test.each(WORKLOADS.map((workload, index) => ({ ...workload, index })))(
    "$title",
    { timeout: 2 * RUN_MS },
    async ({ script, times, index }) => {
      const where = (root: string): string => join(root, String(index));
      const run = (root: string): Promise<string> => {
        const body = shell(`set -e; mkdir ${where(root)}; cd ${where(root)}; ${script}`, { uid: NOBODY, env: { INPUTS: inputs } });
        return deadline(script.slice(0, 60), RUN_MS, body, mounted.stacks);
      };
      const tree = (root: string): Promise<string> => shell(fingerprint(times), { uid: NOBODY, args: [where(root)] });
      const said = await run(beside);
      expect(await run(mounted.mountpoint)).toBe(said);
      const expected = await tree(beside);
      expect(await tree(mounted.mountpoint)).toBe(expected);
      // And so it lies in the storage, once what was written late has arrived there.
      execFileSync("sync");
      expect(await tree(storage)).toBe(expected);
    },
  );
});
