import { expect, test } from "vitest";
import { formatAge, formatBytes, formatCount, parseBytes, parseSince } from "../../src/format.ts";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 KiB"],
  [1536, "1.5 KiB"],
  [10 * 1024, "10 KiB"],
  [1023 * 1024, "1.0 MiB"],
  [5.4 * 1024 ** 3, "5.4 GiB"],
])("%d bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [7, "7"],
  [1234, "1.2k"],
  [999_999, "1.0M"],
])("%d is %s", (count, text) => expect(formatCount(count)).toBe(text));

test.each([
  [0, "now"],
  [-5, "now"],
  [59_999, "59s"],
  [3_600_000, "1h"],
  [86_400_000 * 400, "1y"],
])("%d ms are %s", (ms, text) => expect(formatAge(ms)).toBe(text));

test("sizes are read as people write them", () => {
  expect(["500", "10k", "1.5MiB", "2 GB", "1KiB"].map(parseBytes)).toEqual([500, 10_240, 1_572_864, 2_147_483_648, 1024]);
  for (const wrong of ["", "k", "-1", "1x", "1 Mio"]) expect(() => parseBytes(wrong)).toThrow(/is not a size/);
});

test("spans and dates are read as people write them", () => {
  const now = Date.UTC(2026, 10, 21);
  expect(["90s", "2h", "3d", "1w"].map((text) => (now - parseSince(text, now)) / 1000)).toEqual([90, 7200, 259_200, 604_800]);
  expect(parseSince("2026-11-21")).toBe(new Date(2026, 10, 21).getTime());
  expect(parseSince("2026-11-21T08:00:00Z")).toBe(Date.UTC(2026, 10, 21, 8));
  for (const wrong of ["", "yesterday", "3 moons", "12", "2026-99-01"]) expect(() => parseSince(wrong, now)).toThrow(/neither a span/);
});
