// Somebody who exchanges directories for links while the program works, and what must not come to harm by it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { readMountinfo } from "../../src/sys/mountinfo.ts";
import { deadline } from "../helpers/deadline.ts";

const PROGRAM = fileURLToPath(new URL("fixtures/exchange.py", import.meta.url));

/**
 * Runs `body` while each of `directories` changes names with a link to `to` all the time; resolves to how often.
 * @param uid who does it, and owns the links
 */
export async function whileExchanging(directories: readonly string[], to: string, body: () => Promise<void>, uid = 0): Promise<number> {
  const links = directories.map((directory) => `${directory}.link`);
  for (const link of links) if (lstatSync(link, { throwIfNoEntry: false }) === undefined) symlinkSync(to, link);
  const names = directories.flatMap((directory, index) => [directory, links[index] ?? ""]);
  // Where everybody may read it: the checkout may lie below a private directory.
  const child = spawn("python3", ["-c", readFileSync(PROGRAM, "utf8"), ...names], {
    stdio: ["pipe", "pipe", "inherit"],
    ...(uid === 0 ? {} : { uid, gid: uid }),
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, "exit");
  try {
    await deadline("the exchanger's start", 10_000, lines.next());
    await body();
    child.stdin.end();
    const { value } = (await deadline("the exchanger's end", 10_000, lines.next())) as { value: string };
    await ended;
    return Number(value);
  } finally {
    child.kill("SIGKILL");
  }
}

/** A directory outside of home and storage. */
export class Victim {
  readonly path: string;
  #before = "";

  /** @param directories made in it; more may be put there before `remember` */
  constructor(path: string, directories: readonly string[]) {
    this.path = path;
    for (const directory of ["empty", ...directories]) mkdirSync(join(path, directory), { recursive: true });
    for (const name of ["file", "other"]) writeFileSync(join(path, name), `the victim's ${name}`);
    this.remember();
  }

  /** From here on nothing may change. */
  remember(): void {
    this.#before = this.#look();
  }

  /** What changed, line by line; empty if nothing did. */
  harm(): string[] {
    const before = new Set(this.#before.split("\n"));
    const now = new Set(this.#look().split("\n"));
    const mounts = readMountinfo().filter(({ mountpoint }) => mountpoint.startsWith(`${this.path}/`));
    return [
      ...[...now].filter((line) => !before.has(line)),
      ...[...before].filter((line) => !now.has(line)).map((line) => `gone: ${line}`),
      ...mounts.map(({ mountpoint, source }) => `${source} is mounted on ${mountpoint}`),
    ];
  }

  // Everything but the access time: a ctime tells of chmod and of what was made and removed again.
  #look(path = this.path): string {
    const { mode, ino, uid, size, ctimeNs } = lstatSync(path, { bigint: true });
    const kind = lstatSync(path);
    const content = kind.isFile() ? readFileSync(path, "utf8") : kind.isSymbolicLink() ? readlinkSync(path) : "";
    const own = `${path} ${mode.toString(8)} ${ino} ${uid} ${size} ${ctimeNs} ${JSON.stringify(content)}`;
    if (!kind.isDirectory()) return own;
    return [own, ...readdirSync(path).map((name) => this.#look(join(path, name)))].join("\n");
  }
}
