import { expect, test } from "vitest";
import { Backoff } from "../../../src/daemon/backoff.ts";

test("a server that did serve is replaced at once, however short it lived", () => {
  const backoff = new Backoff();
  for (let death = 0; death < 50; death += 1) expect(backoff.afterDeath(1_000 + death * 300, true)).toBe(0);
});

test("servers that die without end are slowed down to about one a second", () => {
  const backoff = new Backoff();
  let now = 1_000;
  let deaths = 0;
  for (; now < 301_000; deaths += 1) now += 200 + backoff.afterDeath(now, true);
  expect(deaths).toBeGreaterThan(290);
  expect(deaths).toBeLessThan(300 + 60 + 2);
});

test("one that never gets to work is started less and less often, and at once again after one that did", () => {
  const backoff = new Backoff();
  expect([1, 2, 3, 4, 5, 6].map((at) => backoff.afterDeath(at, false))).toEqual([0, 50, 250, 1_000, 5_000, 5_000]);
  expect(backoff.afterDeath(7, true)).toBe(0);
  expect(backoff.afterDeath(8, false)).toBe(0);
});
