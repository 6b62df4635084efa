// Laws of planning over random configurations in random worlds. A failure prints the seed and the smallest case.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import { isBelow } from "../../src/config/place.ts";
import { makeDesired } from "../../src/plan/desired.ts";
import { makePlan } from "../../src/plan/diff.ts";
import { explainAction, explainRefusal } from "../../src/plan/explain.ts";
import type { Desired, OwnMount } from "../../src/plan/types.ts";
import { World } from "../unit/plan/world.ts";

const TIME_BOX_MS = 5000;
const check = <T>(property: fc.IProperty<T>): void => fc.assert(property, { numRuns: 1500, interruptAfterTimeLimit: TIME_BOX_MS });

const name = fc.constantFrom("a", "b", "c");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const directory = fc.record({
  directory: path,
  method: fc.constantFrom("fuse", "fuse", "fuse", "symlink", "bind"),
  onNonEmpty: fc.constantFrom("refuse", "adopt"),
  cache: fc.constantFrom("shared", "exclusive"),
});
const file = fc.record({ file: path, onConflict: fc.constantFrom("refuse", "adopt", "backup") });
const storage = fc.record({
  directories: fc.array(directory, { maxLength: 3 }),
  files: fc.array(file, { maxLength: 2 }),
  allowOther: fc.boolean(),
  removePrefixDirectory: fc.boolean(),
});
const persistence = fc.dictionary(fc.constantFrom("/p", "/q", "/q/r"), storage, { minKeys: 1, noNullPrototype: true });

type Persistence = Record<string, { directories: object[]; files: object[] }>;

function desire(options: Persistence, root: boolean): Desired | undefined {
  try {
    return makeDesired(parseConfig(JSON.stringify({ home: "/h", persistence: options }), "c.json", {}), { root });
  } catch {
    return undefined;
  }
}

const thing = fc.oneof(
  fc.constant("directory" as const),
  fc.nat({ max: 2 }).map((size) => ({ size })),
  fc.constantFrom("/p/a", "/q/b", "/x").map((text) => ({ text })),
);
const things = fc.dictionary(
  fc.tuple(fc.constantFrom("/h", "/h", "/p", "/q"), path).map((parts) => parts.join("/")),
  thing,
  { maxKeys: 6, noNullPrototype: true },
);
const mount = fc.record({
  target: path.map((one) => `/h/${one}`),
  source: fc.tuple(fc.constantFrom("/p", "/q"), path).map((parts) => parts.join("/")),
  health: fc.constantFrom("served", "served", "dead", "stuck"),
  held: fc.boolean(),
});
const ownLinks = fc.dictionary(
  path.map((one) => `/h/${one}`),
  fc.constantFrom("/p/a", "/q/b"),
  { maxKeys: 2, noNullPrototype: true },
);

interface Start {
  readonly things: Record<string, "directory" | { size: number } | { text: string }>;
  readonly mounts: readonly OwnMount[];
  readonly ownLinks: Record<string, string>;
}
const start = fc.record({ things, mounts: fc.array(mount, { maxLength: 2 }), ownLinks });

/** A world that can be: nothing lies below a file, mounts stand on directories. */
function build({ things: wanted, mounts, ownLinks: links }: Start): World {
  const world = new World({ "/h": "directory", "/p": "directory", "/q": "directory" });
  const put = (at: string, one: "directory" | { size: number } | { text: string }): boolean => world.putIfPossible(at, one);
  for (const [at, one] of Object.entries(wanted).sort(([a], [b]) => (a < b ? -1 : 1))) put(at, one);
  for (const [at, text] of Object.entries(links)) {
    if (put(at, { text })) world.ownLinks.set(at, text);
  }
  for (const one of [...mounts].sort((a, b) => (a.target < b.target ? -1 : 1))) {
    const stacked = world.mounts.some(({ target }) => target === one.target || isBelow(one.target, target));
    if (!stacked && put(one.target, "directory") && put(one.source, "directory")) world.mounts.push(one);
  }
  return world;
}

const weight = (world: World): number =>
  [...world.things.values()].reduce((sum, one) => sum + (typeof one === "object" && "size" in one ? one.size : 0), 0);

test("a plan can be carried out step by step, loses nothing, and leaves nothing to do", () => {
  check(
    fc.property(persistence, start, fc.boolean(), (options, begin, root) => {
      const desired = desire(options as Persistence, root);
      fc.pre(desired !== undefined);
      const world = build(begin);
      const before = weight(world);
      let plan = makePlan(desired, world.observe(desired));
      for (let round = 0; ; round += 1) {
        for (const action of plan.actions) world.apply(action);
        expect(weight(world)).toBe(before);
        if (plan.postponed.length === 0) break;
        expect(round).toBeLessThan(2);
        plan = makePlan(desired, world.observe(desired));
      }
      const again = makePlan(desired, world.observe(desired));
      expect(again.actions.map(explainAction)).toEqual([]);
      expect(again.refusals.map(explainRefusal)).toEqual(plan.refusals.map(explainRefusal));
    }),
  );
});

test("each entry is mounted, linked, kept or refused, and only once", () => {
  check(
    fc.property(persistence, start, fc.boolean(), (options, begin, root) => {
      const desired = desire(options as Persistence, root);
      fc.pre(desired !== undefined);
      const plan = makePlan(desired, build(begin).observe(desired));
      const wanted = [...desired.mounts, ...desired.links, ...desired.refusals].map(({ target }) => target).sort();
      const done = plan.actions.flatMap((action) => (action.type === "mount" || action.type === "link" ? [action.spec.target] : []));
      const refused = plan.refusals.filter(({ option }) => option.startsWith("persistence")).map(({ target }) => target);
      const later = plan.postponed.filter((target) => wanted.includes(target) && ![...refused, ...done].includes(target));
      const all = [...done, ...plan.kept.map(({ target }) => target), ...refused, ...later].sort();
      expect(all).toEqual(wanted);
      for (const kind of ["mkdir-home", "mkdir-storage"] as const) {
        const made = plan.actions.flatMap((action) => (action.type === kind ? [action.path] : []));
        expect(new Set(made).size).toBe(made.length);
      }
    }),
  );
});

test("parents are mounted before children and unmounted after them", () => {
  check(
    fc.property(persistence, start, (options, begin) => {
      const desired = desire(options as Persistence, true);
      fc.pre(desired !== undefined);
      const { actions } = makePlan(desired, build(begin).observe(desired));
      const mounted = actions.flatMap((action) => (action.type === "mount" ? [action.spec.target] : []));
      const unmounted = actions.flatMap((action) => (action.type === "unmount" ? [action.target] : []));
      for (const [index, target] of mounted.entries()) expect(mounted.slice(index + 1).some((later) => isBelow(target, later))).toBe(false);
      for (const [index, target] of unmounted.entries())
        expect(unmounted.slice(index + 1).some((later) => isBelow(later, target))).toBe(false);
    }),
  );
});

test("the order in which entries are written does not matter", () => {
  check(
    fc.property(persistence, start, fc.boolean(), (options, begin, root) => {
      const turned = Object.fromEntries(
        Object.entries(options as Persistence)
          .reverse()
          .map(([key, { directories, files, ...rest }]) => [
            key,
            { ...rest, directories: [...directories].reverse(), files: [...files].reverse() },
          ]),
      );
      const [one, other] = [desire(options as Persistence, root), desire(turned, root)];
      expect(other === undefined).toBe(one === undefined);
      fc.pre(one !== undefined && other !== undefined);
      const lines = (desired: Desired): string[] => makePlan(desired, build(begin).observe(desired)).actions.map(explainAction);
      expect(lines(other)).toEqual(lines(one));
    }),
  );
});
