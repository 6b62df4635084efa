// What the documents tell people to type is there.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");

test.each(["README.md", "CONTRIBUTING.md", "SECURITY.md", "test/README.md", "test/bench/README.md"])(
  "%s names scripts that exist",
  (name) => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const named = [...read(name).matchAll(/npm run (?:-s )?([\w:]+)/g)].map(([, script = ""]) => script);
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
  },
);
