// What the program rows work on, made once a run: a repository of 5,000 small files in 200 directories and the same tree as a tar file.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FILES = 5_000;

export interface Fixtures {
  readonly client: string;
  readonly repository: string;
  readonly archive: string;
}

/** @param directory exists, is empty, and may be read by everybody. */
export function makeFixtures(directory: string, owner: number): Fixtures {
  const client = join(directory, "client");
  execFileSync("gcc", ["-O2", "-Wall", "-o", client, join(import.meta.dirname, "../../../test/bench/client.c")]);
  const tree = join(directory, "tree");
  for (let index = 0; index < FILES; index += 1) {
    const parent = join(tree, `d${index % 20}/e${index % 200}`);
    mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `file-${index}.txt`), `${index}\n`.repeat(50 + (index % 500)));
  }
  const git = (...args: string[]): unknown =>
    execFileSync("git", ["-C", tree, "-c", "user.name=b", "-c", "user.email=b@example.org", ...args]);
  git("init", "-q");
  git("add", ".");
  git("commit", "-qm", "tree");
  const repository = join(directory, "repository.git");
  execFileSync("git", ["clone", "-q", "--bare", tree, repository]);
  const archive = join(directory, "tree.tar");
  execFileSync("tar", ["cf", archive, "-C", directory, "--exclude=.git", "tree"]);
  // git serves a repository only to its owner; root clones it, too. The client's home is this directory.
  writeFileSync(join(directory, ".gitconfig"), "[safe]\n\tdirectory = *\n");
  execFileSync("chown", ["-R", String(owner), repository]);
  execFileSync("rm", ["-rf", tree]);
  return { client, repository, archive };
}
