// Runs pjdfstest in a directory as some user and tells which of its cases fail. The suite means root: it acts as others with its own
// option -u, which an ordinary user may not. For such a user that option is left out, so that every call is made, as that user.
import { spawn } from "node:child_process";
import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeTree, tempDirectory } from "../helpers/temp.ts";

export interface Failures {
  /** How many cases ran. */
  readonly ran: number;
  /** "chmod/00.t 17": what was tried, expected and got. Random names and inode numbers are left out. */
  readonly failed: ReadonlyMap<string, string>;
}

const asOneUser = (program: string): string => `#!/bin/sh
umask=
while :; do
  case $1 in
    -u | -g) shift 2 ;;
    -U) umask="-U $2"; shift 2 ;;
    *) break ;;
  esac
done
exec ${program} $umask "$@"
`;

/** `tree` is a built one. */
export async function pjdfstest(tree: string, directory: string, uid?: number): Promise<Failures> {
  if (uid === undefined) return prove(join(tree, "tests"), directory, {});
  const own = tempDirectory("pjdfstest-user");
  try {
    symlinkSync(join(tree, "tests"), join(own, "tests"));
    writeFileSync(join(own, "pjdfstest"), asOneUser(join(tree, "pjdfstest")));
    chmodSync(join(own, "pjdfstest"), 0o755);
    return await prove(join(own, "tests"), directory, { uid, gid: uid });
  } finally {
    removeTree(own);
  }
}

async function prove(tests: string, cwd: string, identity: { uid?: number; gid?: number }): Promise<Failures> {
  // The shell enters the directory, not spawn: that does so before it changes the user, and root may not enter a user's mount.
  const args = ["-c", 'cd "$1" && exec prove -r -v "$2/"', "sh", cwd, tests];
  const child = spawn("sh", args, { cwd: "/", stdio: ["ignore", "pipe", "ignore"], ...identity });
  let output = "";
  child.stdout.setEncoding("latin1").on("data", (chunk: string) => (output += chunk));
  await new Promise((resolve, reject) => child.once("close", resolve).once("error", reject));
  return failures(output);
}

function failures(output: string): Failures {
  const failed = new Map<string, string>();
  let file = "";
  let ran = 0;
  for (const line of output.split("\n")) {
    file = /(\w+\/\d+\.t) \.\./.exec(line)?.[1] ?? file;
    const [, not, number, rest = ""] = /^(not )?ok (\d+)\b(.*)/.exec(line) ?? [];
    if (number === undefined) continue;
    ran += 1;
    const told = rest.replaceAll(rest.includes("inode") ? /[0-9a-f]{16,}|\d+/g : /[0-9a-f]{16,}/g, "*");
    if (not !== undefined && !rest.includes("# TODO")) failed.set(`${file} ${number}`, told);
  }
  return { ran, failed };
}
