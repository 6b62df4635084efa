// The path of a compiled test program (dist-test) for a process of any user. Where the checkout lies below a directory that only root
// enters, it is bind-mounted to a public place for as long as this process lives.
import { execFileSync } from "node:child_process";
import { mkdtempSync, chmodSync, rmdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

const ROOT = join(import.meta.dirname, import.meta.dirname.includes("/dist-test/") ? "../../.." : "../..");
let publicRoot: string | undefined;

const isPublic = (path: string): boolean => path === "/" || ((statSync(path).mode & 0o005) === 0o005 && isPublic(dirname(path)));

function bindMounted(): string {
  const at = mkdtempSync("/tmp/hmpersist-program-");
  chmodSync(at, 0o755);
  execFileSync("mount", ["--bind", ROOT, at]);
  process.on("exit", () => {
    execFileSync("umount", ["-l", at]);
    rmdirSync(at);
  });
  return at;
}

/** `name` is relative to test/, without its ending: "posix/runner". */
export function programPath(name: string, uid: number | undefined): string {
  if (uid !== undefined && uid !== 0 && !isPublic(ROOT)) publicRoot ??= bindMounted();
  return join(publicRoot ?? ROOT, "dist-test/test", `${name}.js`);
}
