import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const FIXTURE = fileURLToPath(new URL("fixtures/lane.mjs", import.meta.url));

test("the lane that adopts takes what memory a large tree needs", () => {
  expect(execFileSync(process.execPath, [FIXTURE], { encoding: "utf8" })).toBe("600000\n");
});
