// The unit of nix/lib.nix and that of `hmpersist service install` are one.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { unitText } from "../../src/service/unit.ts";
import { evaluateText, makeState, noNix, root } from "./nix.ts";

type Value = string | number | boolean | readonly string[];

/** [section, key, value], sorted: what systemd reads, whatever the order of lines. */
function parse(text: string): string[] {
  let section = "";
  const found: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("[")) section = line.slice(1, -1);
    else if (line !== "" && !line.startsWith("#")) found.push(`${section} ${line}`);
  }
  return found.sort();
}

const flatten = (unit: Record<string, Record<string, Value>>): string[] =>
  Object.entries(unit)
    .flatMap(([section, keys]) =>
      Object.entries(keys).flatMap(([key, value]) =>
        (Array.isArray(value) ? value : [value]).map((one) => `${section} ${key}=${String(one)}`),
      ),
    )
    .sort();

it.skipIf(noNix !== undefined).each([
  ["for one user", "", {}],
  ["for all users", 'condition = "/p/%u.json";', { specifiers: true }],
])("the unit %s", (_, more, options) => {
  const state = makeState();
  const expression = `(import ${join(root, "nix/lib.nix")}).unit { execute = "/bin/hmpersist"; config = "/p/%u.json"; ${more} }`;
  const nix = evaluateText<Record<string, Record<string, Value>>>(state, expression);
  rmSync(state, { recursive: true, force: true });
  // Nix escapes nothing: store paths need none.
  const own = unitText({ program: ["/bin/hmpersist"], config: "/p/%u.json", ...options }).replaceAll("%%", "%");
  expect(flatten(nix)).toEqual(parse(own));
});
