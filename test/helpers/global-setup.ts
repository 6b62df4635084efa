// Before any test: the built program must be the one in the source tree, since tests run the binary; and the programs that tests
// start as processes of their own (Node 20 runs no TypeScript) go to dist-test.
import { execFileSync } from "node:child_process";

export default function setup(): void {
  execFileSync("npm", ["run", "--silent", "build"], { stdio: "inherit" });
  execFileSync("npm", ["run", "--silent", "build:programs"], { stdio: "inherit" });
}
