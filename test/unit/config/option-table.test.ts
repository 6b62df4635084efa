import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { jsonSchema, type SchemaNode } from "../../../src/config/json-schema.ts";
import { optionTables } from "../../../src/config/option-table.ts";

const README = new URL("../../../README.md", import.meta.url);
const MARKERS = /(<!-- options:begin -->\n)([^]*?)(<!-- options:end -->)/;

test("the README's option tables are those of the schema (npm run docs:options writes them)", () => {
  const readme = readFileSync(README, "utf8");
  expect(readme).toMatch(MARKERS);
  const wanted = readme.replace(MARKERS, (_, begin: string, _old: string, end: string) => `${begin}${optionTables()}\n${end}`);
  if (process.env["HMPERSIST_WRITE_OPTIONS"] !== undefined) writeFileSync(README, wanted);
  else expect(readme).toBe(wanted);
});

test("every option is described, and no object takes keys it does not know", () => {
  const walk = (path: string, node: SchemaNode): void => {
    for (const [name, option] of Object.entries(node.properties ?? {})) {
      expect(`${path}.${name}: ${option.description}`).toMatch(/: [A-Z`"].*[.)`]$/);
      walk(`${path}.${name}`, option);
    }
    if (node.properties !== undefined) expect([path, node.additionalProperties]).toEqual([path, false]);
    for (const one of node.anyOf ?? []) walk(path, one);
    if (node.items !== undefined) walk(`${path}[]`, node.items);
    if (typeof node.additionalProperties === "object") walk(`${path}.*`, node.additionalProperties);
  };
  walk("", jsonSchema());
});
