// Before any test: the built program must be the one in the source tree, since tests run the binary; and the programs that tests
// start as processes of their own (Node 20 runs no TypeScript) go to dist-test.
// An ordinary user's mounts need a /dev/fuse that everybody may open; udev makes it so where it runs, a bare container does not.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, statSync } from "node:fs";
import { getuid, stderr } from "node:process";

export default function setup(): void {
  execFileSync("npm", ["run", "--silent", "build"], { stdio: "inherit" });
  execFileSync("npm", ["run", "--silent", "build:programs"], { stdio: "inherit" });
  if (getuid?.() === 0 && existsSync("/dev/fuse") && (statSync("/dev/fuse").mode & 0o6) !== 0o6) {
    stderr.write("tests: chmod 0666 /dev/fuse, as udev would\n");
    chmodSync("/dev/fuse", 0o666);
  }
}
