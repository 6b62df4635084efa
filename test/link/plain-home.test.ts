// A home whose filesystem knows no flags of renameat2(2), as NFS and bindfs: what takes one step elsewhere takes two.
import { execFile } from "node:child_process";
import { existsSync, linkSync, readFileSync, readdirSync, readlinkSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { swapName } from "../../src/link/private-name.ts";
import type { HealOutcome, LinkOutcome, RemoveOutcome } from "../../src/link/types.ts";
import type { LinkSpec } from "../../src/plan/types.ts";
import { cstr } from "../../src/sys/name.ts";
import { startMount, type Mounted } from "../helpers/mounted.ts";
import { makeGrounds, replace, type Grounds } from "./place.ts";

let grounds: Grounds;
let mirror: Mounted;
let spec: LinkSpec;
beforeEach(async () => {
  grounds = makeGrounds("plain-home");
  mirror = await startMount({ engine: "bindfs", source: grounds.home });
  spec = grounds.spec("file", { target: join(mirror.mountpoint, "file"), onConflict: "backup" });
  expect(await place()).toMatchObject({ result: "placed" });
});
afterEach(async () => {
  await mirror.dispose();
  grounds.remove();
});

// In a process of its own: who looks must not be who may hang.
async function call<T>(file: string, expression: string): Promise<T> {
  const script = `
    import * as link from ${JSON.stringify(new URL(`../../dist/link/${file}.js`, import.meta.url).href)};
    const spec = ${JSON.stringify(spec)}, home = ${JSON.stringify(mirror.mountpoint)};
    console.log(JSON.stringify(${expression}));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { timeout: 20_000 });
  return JSON.parse(stdout) as T;
}

const place = (): Promise<LinkOutcome> => call("apply", "link.placeLink(spec, home)");
const remove = (): Promise<RemoveOutcome> => call("apply", "link.removeLink(spec.target, spec.source, home)");
const heal = (): Promise<HealOutcome> => call("heal", "link.healLink(spec, home, { backups: [] })");

// Beside the mirror, so that nothing the kernel remembers of it is in the way.
const below = (): string => join(grounds.home, "file");
const swap = (): string => join(grounds.home, Buffer.from(swapName(cstr("file")).subarray(0, -1)).toString());

const replaceBy = (content: string): void => replace(spec.target, content);

test("a link that was replaced is healed", async () => {
  replaceBy("new");
  expect(await heal()).toMatchObject({ result: "healed" });
  expect(readFileSync(spec.source, "utf8")).toBe("new");
  expect(readdirSync(grounds.home)).toEqual(["file"]);
});

test("killed between the two steps: the file comes back first", async () => {
  replaceBy("only copy");
  renameSync(below(), swap());
  expect(await heal()).toMatchObject({ result: "healed" });
  expect(readFileSync(spec.source, "utf8")).toBe("only copy");
  expect(readdirSync(grounds.home)).toEqual(["file"]);
});

test("killed while it came back: it is one file, not two", async () => {
  replaceBy("only copy");
  linkSync(below(), swap());
  expect(await heal()).toMatchObject({ result: "healed" });
  expect(readFileSync(spec.source, "utf8")).toBe("only copy");
  expect(readdirSync(grounds.home)).toEqual(["file"]);
  expect(readdirSync(grounds.storage)).toEqual(["file"]);
});

test("what is in the way is set aside, and a link taken away", async () => {
  replaceBy("mine");
  const outcome = await place();
  if (outcome.result !== "backed-up") throw new Error(JSON.stringify(outcome));
  expect(readFileSync(join(grounds.home, basename(outcome.backup)), "utf8")).toBe("mine");
  expect(readlinkSync(spec.target)).toBe(spec.source);
  expect(await remove()).toEqual({ result: "removed" });
  expect(existsSync(below())).toBe(false);
});
