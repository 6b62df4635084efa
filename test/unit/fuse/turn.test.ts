// Turns of requests while mounts are taken over.
import { expect, test } from "vitest";
import { Turn } from "../../../src/fuse/turn.ts";

test("there are turns only while a mount is being taken over, and one at a time", () => {
  const shared = new SharedArrayBuffer(8);
  const [one, two] = [new Turn(shared), new Turn(shared)];
  expect(one.take()).toBe(false);
  one.begin();
  expect(one.take()).toBe(true);
  one.give();
  expect(two.take()).toBe(true);
  two.give();
  one.end();
  expect(two.take()).toBe(false);
});

test("whoever keeps its turn is waited for once, and nobody waits again", () => {
  const shared = new SharedArrayBuffer(8);
  const [stuck, other] = [new Turn(shared), new Turn(shared)];
  stuck.begin();
  expect(stuck.take()).toBe(true);
  expect(other.take()).toBe(false);
  const started = performance.now();
  for (let n = 0; n < 100; n += 1) expect(other.take()).toBe(false);
  expect(performance.now() - started).toBeLessThan(50_000);
  stuck.give();
  stuck.end();
  expect(other.take()).toBe(false);
});
