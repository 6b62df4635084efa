// Small home trees: names to content. A string starting with "-> " is a link, a number a size, null an empty directory.
import { execFileSync } from "node:child_process";
import { chownSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { EphemeralReport } from "../../src/review/ephemeral.ts";
import type { Sandbox } from "../helpers/sandbox.ts";

export type Tree = Readonly<Record<string, string | number | null>>;

/** Makes `tree` below `root`, owned by the sandbox's user; a number is a file of that many bytes. */
export function plant(sandbox: Sandbox, root: string, tree: Tree): void {
  for (const [name, content] of Object.entries(tree)) {
    const path = join(root, name);
    mkdirSync(content === null ? path : dirname(path), { recursive: true });
    if (content === null) continue;
    if (typeof content === "string" && content.startsWith("-> ")) symlinkSync(content.slice(3), path);
    else writeFileSync(path, typeof content === "number" ? Buffer.alloc(content, 0x78) : content);
    lchownSync(path, sandbox.uid, sandbox.uid);
  }
  if (sandbox.uid !== 0) execFileSync("chown", ["-R", "--no-dereference", `${sandbox.uid}:${sandbox.uid}`, root]);
  chownSync(root, sandbox.uid, sandbox.uid);
}

/** `ephemeral --json` with these arguments. */
export async function review(sandbox: Sandbox, ...args: string[]): Promise<EphemeralReport> {
  const { code, stdout, stderr } = await sandbox.run(["ephemeral", "--json", ...args]);
  if (code !== 0) throw new Error(`exit ${code}\n${stderr}`);
  return JSON.parse(stdout) as EphemeralReport;
}

export const paths = (report: EphemeralReport): string[] => report.groups.map(({ path }) => path);
