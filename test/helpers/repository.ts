// A git repository with one commit of many small files in fifty directories.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** @returns `directory`, for an argument list. */
export function makeRepository(directory: string, files: number): string {
  for (let i = 0; i < files; i += 1) {
    const folder = join(directory, `folder${i % 50}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file${i}`), `content ${i}\n`.repeat(20));
  }
  const git = (...args: string[]): void =>
    void execFileSync("git", ["-C", directory, "-c", "user.name=t", "-c", "user.email=t@t", ...args]);
  git("init", "-q");
  git("add", "-A");
  git("commit", "-qm", "files");
  return directory;
}
