// What needs Nix's evaluator and nothing else: every file parses, the pure functions hold.
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate, evaluateText, makeState, noNix, parses, root, tests } from "./nix.ts";

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

  it("the flake has the outputs that people import", () => {
    const nixpkgs = `{ lib.genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names); legacyPackages = { x86_64-linux = { }; aarch64-linux = { }; }; }`;
    const outputs = `(import ${join(root, "flake.nix")}).outputs { self = { }; nixpkgs = ${nixpkgs}; }`;
    const expression = `let outputs = ${outputs}; in { names = builtins.attrNames outputs; systems = builtins.attrNames outputs.packages; exist = map builtins.pathExists (outputs.homeModules.default.imports ++ outputs.nixosModules.default.imports); }`;
    expect(evaluateText(state, expression)).toEqual({
      names: ["checks", "formatter", "homeManagerModules", "homeModules", "nixosModules", "overlays", "packages"],
      systems: ["aarch64-linux", "x86_64-linux"],
      exist: [true, true],
    });
  });
});
