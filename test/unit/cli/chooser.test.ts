// The chooser's rules, key by key, without a terminal.
import { expect, test } from "vitest";
import { Controller, type Outcome } from "../../../src/cli/interactive/controller.ts";
import { keysIn } from "../../../src/cli/interactive/keys.ts";
import { marked, markOf } from "../../../src/cli/interactive/model.ts";
import type { EphemeralGroup } from "../../../src/review/ephemeral.ts";

const group = (path: string, type: EphemeralGroup["type"] = "directory"): EphemeralGroup => ({
  path,
  type,
  odd: false,
  files: 1,
  bytes: 10,
  newest: 0,
  used: 0,
  appeared: 0,
  changed: 0,
  program: null,
  method: null,
  note: null,
  configured: false,
});

const TREE: Record<string, EphemeralGroup[]> = {
  "": [group("a"), group("b"), group("c", "file"), group("d", "others")],
  a: [group("a/x"), group("a/y", "file")],
  "a/x": [],
};

function chooser(options: { unwritable?: string; groups?: EphemeralGroup[] } = {}): {
  controller: Controller;
  type: (keys: string) => Promise<void>;
  outcomes: Outcome[];
} {
  const outcomes: Outcome[] = [];
  const controller = new Controller({
    groups: options.groups ?? TREE[""] ?? [],
    open: async (path) => {
      const found = TREE[path];
      if (found === undefined) throw new Error("EACCES");
      return found;
    },
    unwritable: options.unwritable,
    page: () => 2,
    done: (outcome) => outcomes.push(outcome),
  });
  const type = async (keys: string): Promise<void> => {
    for (const key of keysIn(keys)) controller.press(key);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { controller, type, outcomes };
}

const RIGHT = "\x1b[C";
const LEFT = "\x1b[D";

test("a chunk may hold many keys, and unknown sequences are no keys", () => {
  expect(keysIn(`p${RIGHT}\x1bOB\x1b[5~\x1b[1;5C \r\x7f\x1b`)).toEqual([
    "p",
    "right",
    "down",
    "pageup",
    "space",
    "enter",
    "backspace",
    "escape",
  ]);
});

test("keys in one chunk meet what the ones before them did", async () => {
  const { type, outcomes, controller } = chooser();
  await type("pifw");
  expect(outcomes).toEqual(["write"]);
  expect(marked(controller.state, "persist").map(({ path }) => path)).toEqual(["a"]);
  expect(marked(controller.state, "ignore").map(({ path }) => path)).toEqual(["b"]);
});

test("a mark on a directory takes the place of those below it, and holds for them", async () => {
  const { controller, type } = chooser();
  await type(RIGHT);
  await type(`pi${LEFT}`);
  expect(controller.state.marks.size).toBe(2);
  await type("gl");
  expect([...controller.state.marks.keys()]).toEqual(["a"]);
  expect(markOf(controller.state, "a/x/deep")).toEqual({ mark: "later", inherited: true });
  expect(markOf(controller.state, "ab")).toBeUndefined();
  await type(`g${RIGHT}`);
  await type("p");
  expect(controller.state.message).toMatch(/decided above/);
  expect(controller.state.marks.size).toBe(1);
});

test("the same key again takes a mark away", async () => {
  const { controller, type } = chooser();
  await type("pgp");
  expect(controller.state.marks.size).toBe(0);
});

test("what is too much to be told one by one cannot be marked; empty and unreadable directories say so", async () => {
  const { controller, type } = chooser();
  await type("Gp");
  expect(controller.state.message).toMatch(/too many/);
  await type("g\x1b[B");
  await type(RIGHT);
  expect(controller.state.message).toBe("EACCES");
  await type(`g${RIGHT}`);
  await type(RIGHT);
  expect(controller.state.message).toMatch(/nothing in there/);
  expect(controller.state.views.map(({ path }) => path)).toEqual(["", "a"]);
});

test("what arrives after one went on is not shown", async () => {
  const { controller, type } = chooser();
  await type(`${RIGHT}${LEFT}`);
  expect(controller.state.views).toHaveLength(1);
});

test("where nothing can be written, only printing ends it", async () => {
  const { type, outcomes } = chooser({ unwritable: "made by Nix" });
  await type("fwa");
  expect(outcomes).toEqual([]);
  await type("nq");
  expect(outcomes).toEqual(["nix"]);
});

test("Ctrl-C quits from anywhere", async () => {
  const { type, outcomes } = chooser();
  await type("f\x03");
  expect(outcomes).toEqual(["quit"]);
});

test("a directory whose name is not UTF-8 is not looked for by another name", async () => {
  const { controller, type } = chooser({ groups: [{ ...group("od\ufffd"), odd: true }] });
  await type(RIGHT);
  expect(controller.state).toMatchObject({ opening: undefined, message: "its name is not UTF-8: rename it to look into it" });
});
