import { expect, test } from "vitest";
import { parseMountinfo } from "../../../src/sys/mountinfo.ts";

test("names are decoded from octal escapes as bytes, then as UTF-8", () => {
  const line = "36 35 0:48 / /home/j\\040a\\303\\251\\134n rw,nosuid shared:1 - fuse.hmpersist /nix/a\\011b rw,user_id=1000\n";
  expect(parseMountinfo(line)).toEqual([
    {
      id: 36,
      parent: 35,
      device: "0:48",
      root: "/",
      mountpoint: "/home/j aé\\n",
      options: ["rw", "nosuid"],
      type: "fuse.hmpersist",
      source: "/nix/a\tb",
      superOptions: ["rw", "user_id=1000"],
    },
  ]);
});

test("lines that are no mountinfo are passed over", () => {
  expect(parseMountinfo("\nnonsense\n1 2 3\n36 35 0:1 / /x rw -\n")).toEqual([]);
});
