// What a successor makes of the notes of a server that died.
import { describe, expect, test } from "vitest";
import { CHANGE, Journal } from "../../../src/fuse/passthrough/journal.ts";
import { SharedTables } from "../../../src/fuse/passthrough/shared-tables.ts";
import { LANE_JOBS } from "../../../src/fuse/passthrough/table-layout.ts";

const AGAIN = 0x80000000;
const header = (): Uint32Array => new Uint32Array(1024);

/** `header`, and what it is after each word that `change` writes: what a server leaves that is killed in between. */
function eachWord(h: Uint32Array, change: (h: Uint32Array) => void): Uint32Array[] {
  const left: Uint32Array[] = [];
  const set = (target: Uint32Array, word: string, value: number): boolean => {
    target[Number(word)] = value;
    left.push(target.slice());
    return true;
  };
  change(new Proxy(h, { set }));
  return left;
}

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
  journal.deferred(1, 3, 0);
  journal.begin(5, 1);
  expect(new Journal(h, true).unanswered).toEqual([
    [5, 1],
    [3, 0],
  ]);
  expect(new Journal(h, true).unanswered).toEqual([]);
});

test("what may have been read and not noted follows the last request that has an answer", () => {
  const h = header();
  const journal = new Journal(h, false);
  journal.begin(0xfffffffe, AGAIN | 1);
  journal.end();
  journal.begin(8, 2, false);
  journal.end();
  expect(new Journal(h, true).perhapsRead.slice(0, 3)).toEqual([
    [0, 2],
    [2, 2],
    [4, 2],
  ]);
});

test("a job is known however many another lane has had since", () => {
  const h = header();
  const journal = new Journal(h, false);
  journal.deferred(0, 3, 0);
  for (let lo = 4; lo < 1000; lo += 1) journal.deferred(1, lo, 0);
  const known = new Journal(h, true).unanswered.map(([lo]) => lo);
  expect(known).toEqual(expect.arrayContaining([3, 999]));
  expect(known).toHaveLength(1 + LANE_JOBS);
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

describe("killed between any two words", () => {
  const done = (): Uint32Array => {
    const h = header();
    const before = new Journal(h, false);
    before.beginChange(5, 1, 77);
    before.endChange(-2);
    return h;
  };

  test("a change that begins is never told done, and begun only with its place", () => {
    const left = eachWord(done(), (h) => new Journal(h, false).beginChange(6, 2, 2 ** 40 + 3));
    expect(left.length).toBeGreaterThan(4);
    for (const h of left) {
      const next = new Journal(h, true);
      const state = next.changeState(6, 2);
      expect(state).not.toBe(CHANGE.done);
      if (state === CHANGE.begun) expect(next.place).toBe(2 ** 40 + 3);
    }
    expect(new Journal(left.at(-1) as Uint32Array, true).changeState(6, 2)).toBe(CHANGE.begun);
  });

  test("a place is whole", () => {
    const journal = (h: Uint32Array): Journal => new Journal(h, false);
    const h = header();
    journal(h).beginChange(6, 2);
    for (const each of eachWord(h, (words) => (journal(words).place = 2 ** 40 + 3))) {
      if (journal(each).changeState(6, 2) === CHANGE.begun) expect(journal(each).place).toBe(2 ** 40 + 3);
    }
  });

  test("a mode belongs to the node it was noted for", () => {
    const tables = new SharedTables();
    const words = header();
    const noted = (h: Uint32Array): string => {
      Object.assign(tables, { header: h });
      return `${tables.notedMode.nodeid} ${tables.notedMode.mode.toString(8)}`;
    };
    const note = (nodeid: number, mode: number): Uint32Array[] =>
      eachWord(words, (h) => {
        Object.assign(tables, { header: h });
        tables.noteMode(nodeid, mode);
      });
    const all = [...note(3, 0o440), ...note(4, 0o4755), ...note(0, 0)].map(noted);
    expect(new Set(all.filter((each) => !each.startsWith("0 ")))).toEqual(new Set(["3 440", "4 4755"]));
    tables.close();
  });
});
