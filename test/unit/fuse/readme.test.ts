// src/fuse/README.md lists every opcode and every capability left alone: its tables are what the code says, line by line.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { OPS, type Op } from "../../../src/fuse/abi/ops.ts";
import { NOT_TAKEN } from "../../../src/fuse/init.ts";

const readme = readFileSync(new URL("../../../src/fuse/README.md", import.meta.url), "utf8");

test("the table of opcodes is the operation table", () => {
  const rows = (OPS as readonly Op[]).map(({ opcode, name, out, refused }) =>
    refused === undefined ? `| ${opcode} | ${name} | ${out} |` : `| ${opcode} | ${name} | ENOSYS: ${refused} |`,
  );
  const written = readme.split("\n").filter((line) => /^\| \d+ \|/.test(line));
  expect(written).toEqual(rows);
});

test("what is not negotiated is named with its reason", () => {
  const rows = Object.entries(NOT_TAKEN).map(([flag, reason]) => `| ${flag} | ${reason} |`);
  expect(readme.split("\n").filter((line) => line.startsWith("| FUSE_"))).toEqual(rows);
});
