// A home and a storage of one test, and specs of links between them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LinkSpec } from "../../src/plan/types.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";

export interface Grounds {
  readonly base: string;
  readonly home: string;
  readonly storage: string;
  readonly state: string;
  spec(name: string, change?: Partial<LinkSpec>): LinkSpec;
  remove(): void;
}

/** The home is on a tmpfs, the storage on a disk, as in real life. */
export function makeGrounds(name: string): Grounds {
  const volatile = tempDirectory(name, { base: SHM });
  const base = tempDirectory(name);
  const home = join(volatile, "home");
  const storage = join(base, "storage");
  const state = join(base, "state");
  for (const directory of [home, storage, state]) mkdirSync(directory);
  return {
    base,
    home,
    storage,
    state,
    spec: (file, change = {}) => ({
      kind: "link",
      what: "file",
      source: join(storage, file),
      target: join(home, file),
      storage,
      mode: 0o700,
      parentMode: 0o755,
      onConflict: "refuse",
      option: `persistence."${storage}".files[0]`,
      ...change,
    }),
    remove: () => {
      removeTree(volatile);
      removeTree(base);
    },
  };
}

/** Saves as many programs do: a new file takes the place of the old one, or of the link. */
export function replace(target: string, content: string): void {
  writeFileSync(`${target}.t`, content);
  renameSync(`${target}.t`, target);
}

/** Runs `work`, in the middle of which a program changes the file through a mapping; see fixtures/mapper.py. */
export async function whileMapped(path: string, work: () => void): Promise<void> {
  const fixture = fileURLToPath(new URL("fixtures/mapper.py", import.meta.url));
  const program = spawn("python3", [fixture, path, String(process.pid)], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(program, "exit");
  try {
    await once(program.stdout, "data");
    work();
    program.stdin.end();
    await ended;
  } finally {
    program.kill("SIGKILL");
  }
}
