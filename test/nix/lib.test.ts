// What needs Nix's evaluator and nothing else: every file parses, the pure functions hold.
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate, makeState, noNix, parses, root, tests } from "./nix.ts";

if (noNix !== undefined) console.log(`skipped: ${noNix}`);

const files = [
  "flake.nix",
  "home-manager.nix",
  ...readdirSync(join(root, "nix"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".nix"))
    .map((name) => join("nix", name)),
];

describe.skipIf(noNix !== undefined)("nix/", () => {
  let state = "";
  beforeAll(() => {
    state = makeState();
  });
  afterAll(() => rmSync(state, { recursive: true, force: true }));

  it.each(files)("%s parses", (file) => expect(parses(join(root, file))).toBe(true));

  // Below `with x;` an unbound name is not seen by --parse.
  it.each(files)("%s binds every name: no `with`", (file) => {
    const code = readFileSync(join(root, file), "utf8")
      .replace(/''[\s\S]*?''/g, "")
      .replace(/#.*$/gm, "");
    expect(code).not.toMatch(/\bwith [\w.]+;/);
  });

  it("the pure functions give what they should", () => {
    expect(evaluate(state, join(tests, "lib-tests.nix"))).toEqual([]);
  });
});
