import { expect, test } from "vitest";
import { Patience } from "../../../src/fuse/patience.ts";

const MOST = 0.06;

test("it never spins with no time to do so", () => {
  expect(new Patience(0).spins()).toBe(false);
});

test("it stops where it does not pay, looks again now and then, and goes on when it pays", () => {
  const patience = new Patience(MOST);
  while (patience.spins()) patience.failed();
  const tries = Array.from({ length: 1_000 }, () => {
    const spun = patience.spins();
    if (spun) patience.failed();
    return spun;
  }).filter(Boolean).length;
  expect(tries).toBeGreaterThan(2);
  expect(tries).toBeLessThan(50);
  while (!patience.spins());
  for (let n = 0; n < 20; n += 1) patience.worked(0.02);
  patience.failed();
  expect(patience.spins()).toBe(true);
});

test("where requests follow at once it gives up early, and it waits longer again when they come late", () => {
  const patience = new Patience(MOST);
  expect(patience.limitMs).toBe(MOST);
  for (let n = 0; n < 100; n += 1) patience.worked(0.002);
  expect(patience.limitMs).toBeLessThan(MOST / 3);
  for (let n = 0; n < 10; n += 1) patience.failed();
  expect(patience.limitMs).toBe(MOST);
  for (let n = 0; n < 100; n += 1) patience.worked(0.03);
  expect(patience.limitMs).toBe(MOST);
});
