// 8 processes write 50 linked files in every way at once, while the keeper is killed and started again. Afterwards storage has of each
// file what was acknowledged last. 10 s; HMPERSIST_TORTURE_SECONDS sets another time.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { deadline, until } from "../helpers/deadline.ts";
import { KeeperProcess } from "./keeper-process.ts";
import { makeGrounds } from "./place.ts";

const SECONDS = Number(process.env["HMPERSIST_TORTURE_SECONDS"] ?? 10);
const FILES = 50;
const WRITERS = 8;
const WRITER = fileURLToPath(new URL("fixtures/writer.py", import.meta.url));

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Writer {
  readonly child: ChildProcess;
  readonly said: string[];
  readonly ended: Promise<number | null>;
}

function startWriter(home: string, book: string): Writer {
  const child = spawn("python3", [WRITER, home, book, String(FILES)], { stdio: ["pipe", "pipe", "inherit"] });
  const said: string[] = [];
  child.stdout.on("data", (data: Buffer) => said.push(data.toString()));
  return { child, said, ended: new Promise((resolve) => child.once("exit", resolve)) };
}

test("nothing acknowledged is lost, older or torn", { timeout: SECONDS * 1000 + 90_000 }, async () => {
  const grounds = makeGrounds("torture");
  const book = join(grounds.base, "book");
  mkdirSync(book);
  const specs = Array.from({ length: FILES }, (_, number) => grounds.spec(`d${number % 5}/f${number}`));
  for (let number = 0; number < FILES; number += 1) writeFileSync(join(book, `ack${number}`), "");
  let keeper = new KeeperProcess(grounds, specs);
  const writers: Writer[] = [];
  try {
    await keeper.heard("ready");
    for (let number = 0; number < WRITERS; number += 1) writers.push(startWriter(grounds.home, book));
    const end = Date.now() + SECONDS * 1000;
    let healings = 0;
    let kills = 0;
    while (Date.now() < end) {
      // Sometimes it is killed while it starts, which is when it sorts out what the one before left.
      if (Math.random() < 0.5) await keeper.heard("ready");
      await sleep(Math.random() * 1_500);
      healings += keeper.said.filter((said) => said.message === "link healed").length;
      await keeper.end("SIGKILL");
      kills += 1;
      keeper = new KeeperProcess(grounds, specs);
    }
    for (const { child } of writers) child.stdin?.end();
    const codes = await Promise.all(writers.map(({ ended }) => deadline("a writer ending", 20_000, ended)));
    const said = writers.map((writer) => writer.said.join("")).join("");
    expect(codes, said).toEqual(codes.map(() => 0));
    await keeper.heard("ready");
    for (const spec of specs)
      await until(`${spec.target} being a link`, 20_000, () => lstatSync(spec.target, { throwIfNoEntry: false })?.isSymbolicLink());
    healings += keeper.said.filter((line) => line.message === "link healed").length;
    await keeper.end();
    for (const [number, spec] of specs.entries()) {
      const acknowledged = readFileSync(join(book, `ack${number}`));
      const stored = lstatSync(spec.source, { throwIfNoEntry: false }) === undefined ? Buffer.alloc(0) : readFileSync(spec.source);
      expect(
        stored.equals(acknowledged),
        `${spec.source}: ${stored.length} bytes ${String(stored.subarray(0, 60))}, acknowledged ${acknowledged.length} ${String(acknowledged.subarray(0, 60))}`,
      ).toBe(true);
    }
    const changes = [...said.matchAll(/changes (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
    console.log(`${changes} changes, ${healings} healings, ${kills} SIGKILLs in ${SECONDS} s`);
    expect(healings).toBeGreaterThan(0);
    expect(execFileSync("find", [grounds.home, grounds.storage, "-name", ".hmpersist-*"], { encoding: "utf8" })).toBe("");
  } finally {
    for (const { child } of writers) child.kill("SIGKILL");
    await keeper.end("SIGKILL");
    grounds.remove();
  }
});
