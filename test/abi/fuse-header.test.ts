// Every struct, size and offset, every opcode and flag, against the linux/fuse.h of this machine: a C program prints what the compiler sees.
// What the header is too old to know is counted, not compared.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as constants from "../../src/fuse/abi/constants.ts";
import { OPS } from "../../src/fuse/abi/ops.ts";
import * as structs from "../../src/fuse/abi/structs.ts";
import { removeTree, tempDirectory } from "../helpers/temp.ts";

const HEADER = "/usr/include/linux/fuse.h";

function missing(): string | undefined {
  if (!existsSync(HEADER)) return `${HEADER} is not installed`;
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "no C compiler";
  }
}

const reason = missing();
if (reason !== undefined) process.stdout.write(`test/abi: skipped: ${reason}\n`);

/** Runs a C program that prints lines "name value" for each expression. */
function evaluate(expressions: ReadonlyMap<string, string>): Map<string, number> {
  const directory = tempDirectory("abi");
  try {
    const lines = [...expressions].map(([name, expression]) => `printf("%s %lld\\n", "${name}", (long long)(${expression}));`);
    const program = `#include <stddef.h>\n#include <stdio.h>\n#include <sys/ioctl.h>\n#include <linux/fuse.h>\nint main(void) {\n${lines.join("\n")}\nreturn 0; }\n`;
    writeFileSync(join(directory, "print.c"), program);
    execFileSync("cc", ["-o", join(directory, "print"), join(directory, "print.c")]);
    const output = execFileSync(join(directory, "print"), { encoding: "utf8" });
    return new Map(
      output
        .trim()
        .split("\n")
        .map((line) => line.split(" ") as [string, string])
        .map(([name, value]) => [name, Number(value)]),
    );
  } finally {
    removeTree(directory);
  }
}

const header = reason === undefined ? readFileSync(HEADER, "utf8") : "";
const bodyOf = (name: string): string | undefined => new RegExp(`struct ${name} \\{([^}]*)\\}`).exec(header)?.[1];

test.skipIf(reason !== undefined)("structs have the kernel's sizes and offsets", () => {
  const expressions = new Map<string, string>();
  const ours = new Map<string, number>();
  for (const [name, layout] of Object.entries(structs)) {
    const body = bodyOf(name);
    if (body === undefined) continue;
    for (const [field, offset] of Object.entries(layout as Record<string, number>)) {
      if (/^(unused|padding)/.test(field)) continue;
      if (field !== "SIZE" && !new RegExp(`\\b${field}\\b`).test(body)) continue;
      // The same field may have been narrower padding before: only its offset counts.
      expressions.set(`${name}.${field}`, field === "SIZE" ? `sizeof(struct ${name})` : `offsetof(struct ${name}, ${field})`);
      ours.set(`${name}.${field}`, offset);
    }
  }
  expect(expressions.size).toBeGreaterThan(150);
  expect(Object.fromEntries(evaluate(expressions))).toEqual(Object.fromEntries(ours));
});

test.skipIf(reason !== undefined)("opcodes have the kernel's numbers", () => {
  const known = OPS.filter(({ name }) => new RegExp(`\\bFUSE_${name}\\b`).test(header));
  expect(known.length).toBeGreaterThan(45);
  const theirs = evaluate(new Map(known.map(({ name }) => [name, `FUSE_${name}`])));
  expect(Object.fromEntries(theirs)).toEqual(Object.fromEntries(known.map(({ name, opcode }) => [name, opcode])));
});

test.skipIf(reason !== undefined)("flags and ioctls have the kernel's values", () => {
  const { INIT_FLAGS, INIT_FLAGS2, ...rest } = constants;
  const ours = new Map<string, number>();
  for (const [name, value] of Object.entries(INIT_FLAGS)) ours.set(name, value);
  for (const [name, value] of Object.entries(INIT_FLAGS2)) ours.set(name, value * 0x100000000);
  for (const [name, value] of Object.entries(rest)) if (/^(FUSE_(?!KERNEL_MINOR)|FATTR_|FOPEN_)/.test(name)) ours.set(name, value);
  const known = [...ours].filter(([name]) => new RegExp(`(#define|^\\s)\\s*${name}\\b`, "m").test(header));
  expect(known.length).toBeGreaterThan(50);
  const theirs = evaluate(new Map(known.map(([name]) => [name, `(unsigned long long)(${name})`])));
  expect(Object.fromEntries(theirs)).toEqual(Object.fromEntries(known));
});

test("the operation table names each opcode once", () => {
  expect(new Set(OPS.map(({ opcode }) => opcode)).size).toBe(OPS.length);
});
