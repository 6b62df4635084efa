// What a successor makes of the notes of a server that died.
import { describe, expect, test } from "vitest";
import { CHANGE, Journal } from "../../../src/fuse/passthrough/journal.ts";

const AGAIN = 0x80000000;
const header = (): Uint32Array => new Uint32Array(1024);

describe("a redelivered request", () => {
  test("is refused when its second run was the death of a server, and only then", () => {
    const h = header();
    new Journal(h, false).begin(5, 0);
    const second = new Journal(h, true);
    expect(second.admits(5, AGAIN)).toBe(true);
    second.begin(5, AGAIN);
    const third = new Journal(h, true);
    expect(third.admits(7, AGAIN)).toBe(true);
    expect(third.admits(5, AGAIN)).toBe(false);
    expect(third.admits(5, AGAIN)).toBe(true);
  });

  test("is refused although others come before it again", () => {
    const h = header();
    const second = new Journal(h, true);
    second.begin(5, AGAIN);
    const third = new Journal(h, true);
    expect(third.admits(3, AGAIN)).toBe(true);
    third.begin(3, AGAIN);
    third.end();
    expect(third.admits(5, AGAIN)).toBe(false);
  });

  test("is refused for each of several that kill, in any order", () => {
    const h = header();
    for (const lo of [5, 7, 9]) new Journal(h, true).begin(lo, AGAIN);
    const last = new Journal(h, true);
    expect([9, 5, 7, 11].map((lo) => last.admits(lo, AGAIN))).toEqual([false, false, false, true]);
  });

  test("that was answered kills nobody", () => {
    const h = header();
    const journal = new Journal(h, true);
    journal.begin(5, AGAIN);
    journal.end();
    expect(new Journal(h, true).admits(5, AGAIN)).toBe(true);
  });
});

test("what was in flight is known: the request that was run, and the jobs of lanes", () => {
  const h = header();
  const journal = new Journal(h, false);
  journal.deferred(3, 0);
  journal.begin(5, 1);
  expect(new Journal(h, true).unanswered).toEqual([
    [5, 1],
    [3, 0],
  ]);
  expect(new Journal(h, true).unanswered).toEqual([]);
});

test("a change is told begun or done by its unique, redelivered or not, until the next one begins", () => {
  const journal = new Journal(header(), false);
  journal.beginChange(5, 1);
  journal.place = 2 ** 40 + 3;
  expect([journal.changeState(5, 1), journal.changeState(5, (AGAIN | 1) >>> 0), journal.changeState(6, 1)]).toEqual([
    CHANGE.begun,
    CHANGE.begun,
    CHANGE.none,
  ]);
  journal.endChange(-2);
  expect([journal.changeState(5, 1), journal.changeResult, journal.place]).toEqual([CHANGE.done, -2, 2 ** 40 + 3]);
  journal.beginChange(6, 1);
  expect([journal.changeState(5, 1), journal.place]).toEqual([CHANGE.none, 0]);
});
