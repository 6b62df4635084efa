import { expect, test } from "vitest";
import { parseConfig } from "../../../src/config/load.ts";
import { makeDesired } from "../../../src/plan/desired.ts";
import { makePlan } from "../../../src/plan/diff.ts";
import { explainAction, explainPlan, explainRefusal } from "../../../src/plan/explain.ts";
import type { Desired, OwnMount, Plan } from "../../../src/plan/types.ts";
import { World } from "./world.ts";

const HOME = "/h";

function desire(persistence: object, root = false): Desired {
  return makeDesired(parseConfig(JSON.stringify({ home: HOME, persistence }), "c.json", {}), { root });
}

const base = { "/h": "directory", "/p": "directory", "/q": "directory" } as const;

const served = (target: string, source: string, rest: Partial<OwnMount> = {}): OwnMount => ({
  target,
  source,
  health: "served",
  held: true,
  ...rest,
});

const lines = (plan: Plan): string[] => [...plan.refusals.map(explainRefusal), ...plan.actions.map(explainAction)];

/** The plan in words, with what is postponed; then the plan of the world in which it was carried out, which must be empty. */
function planned(desired: Desired, world: World): string[] {
  const plans: Plan[] = [];
  for (;;) {
    const plan = makePlan(desired, world.observe(desired));
    if (plan.actions.length === 0 && plans.length > 0) {
      expect(plan.postponed).toEqual([]);
      expect(plan.refusals).toEqual(plans.at(-1)?.refusals);
      return [...plan.refusals.map(explainRefusal), ...plans.flatMap(({ actions }) => actions.map(explainAction))];
    }
    expect(plans.at(-1)?.postponed).not.toEqual([]);
    for (const action of plan.actions) world.apply(action);
    plans.push(plan);
  }
}

test("directories are made, mounted parents first, files linked, dangling or not", () => {
  const desired = desire({
    "/q": { directories: ["a/b"] },
    "/p": { allowOther: true, directories: ["a", { directory: "s/t", method: "symlink", mode: "0755" }], files: ["f/g"] },
  });
  expect(planned(desired, new World(base))).toEqual([
    "create /p/a (0700)",
    "create /p/a/b (0700)",
    "create /p/f (0700)",
    "create /p/s (0700)",
    "create /p/s/t (0755)",
    "create /q/a (0700)",
    "create /q/a/b (0700)",
    "create /h/a (0700)",
    "create /h/f (0700)",
    "create /h/s (0700)",
    "mount /p/a at /h/a",
    "mount /q/a/b at /h/a/b",
    "link /h/f/g to /p/f/g",
    "link /h/s/t to /p/s/t",
  ]);
});

test("a mount inside of one without allowOther is refused for a user, not for root", () => {
  const options = { "/q": { directories: ["a/b"] }, "/p": { directories: ["a"] } };
  expect(desire(options).refusals.map(explainRefusal)).toEqual([
    'persistence."/q".directories[0]: fusermount3 cannot mount inside of /h/a, a mount without allowOther; set allowOther for the storage of persistence."/p".directories[0], or keep both in one storage',
  ]);
  expect(desire(options, true).refusals).toEqual([]);
});

test("a bind mount is root's", () => {
  expect(desire({ "/p": { directories: [{ directory: "a", method: "bind" }] } }).refusals).toHaveLength(1);
  expect(desire({ "/p": { directories: [{ directory: "a", method: "bind" }] } }, true).mounts[0]?.method).toBe("bind");
});

test("a secret directory does not make its parents secret, and an entry's own mode wins", () => {
  const desired = desire({
    "/p": {
      mode: "0755",
      directories: [{ directory: "a/b", mode: "0500" }, "a/c"],
      files: [{ file: "d/e", parentDirectory: { mode: "0711" } }],
    },
  });
  expect(planned(desired, new World(base)).filter((line) => line.startsWith("create /p"))).toEqual([
    "create /p/a (0755)",
    "create /p/a/b (0500)",
    "create /p/a/c (0755)",
    "create /p/d (0711)",
  ]);
});

const one = desire({ "/p": { directories: ["a"] } });
const file = desire({ "/p": { files: ["f"] } });
const shadow = desire({ "/p": { directories: [{ directory: "a", onNonEmpty: "shadow" }] } });
const adopt = desire({ "/p": { directories: [{ directory: "a", onNonEmpty: "adopt" }] } });
const backup = desire({ "/p": { files: [{ file: "f", onConflict: "backup" }] } });
const adoptFile = desire({ "/p": { files: [{ file: "f", onConflict: "adopt" }] } });
const linked = desire({ "/p": { directories: [{ directory: "a", method: "symlink" }] } });
const mount = "mount /p/a at /h/a";
const D = 'persistence."/p".directories[0]: ';
const F = 'persistence."/p".files[0]: ';

test.each<[string, Desired, Record<string, "directory" | { text: string } | { size: number }>, string[]]>([
  ["an empty mountpoint", one, { "/h/a": "directory", "/p/a": "directory" }, [mount]],
  [
    "a mountpoint with data",
    one,
    { "/h/a/x": { size: 1 }, "/p/a": "directory" },
    [`${D}/h/a is not empty: it holds x; move them into /p/a (hmpersist adopt /h/a), or set onNonEmpty`],
  ],
  ["... to be shadowed", shadow, { "/h/a/x": { size: 1 }, "/p/a": "directory" }, [`${mount}, over whatever is there`]],
  ["... to be adopted", adopt, { "/h/a/x": { size: 1 } }, ["create /p/a (0700)", "move /h/a into /p/a", mount]],
  [
    "... and storage with data",
    adopt,
    { "/h/a/x": { size: 1 }, "/p/a/y": { size: 1 } },
    [`${D}both /h/a and /p/a hold data; merge them by hand: neither is overwritten`],
  ],
  ["a file for a mountpoint", one, { "/h/a": { size: 0 } }, [`${D}/h/a is not a directory; move it away, or list it under files`]],
  ["a link for a mountpoint", one, { "/h/a": { text: "/x" } }, [`${D}/h/a is a symbolic link to /x; remove the link`]],
  ["a file in storage where a directory is listed", one, { "/p/a": { size: 1 } }, [`${D}/p/a is not a directory; list it under files`]],
  ["a directory in storage where a file is listed", file, { "/p/f": "directory" }, [`${F}/p/f is a directory; list it under directories`]],
  [
    "a directory at home where a file is listed",
    file,
    { "/h/f": "directory" },
    [`${F}/h/f is a directory; move it away, or list it under directories`],
  ],
  [
    "a file in the way",
    file,
    { "/h/f": { size: 3 } },
    [`${F}a file is in the way at /h/f (3 bytes); move it into storage (hmpersist adopt /h/f), or set onConflict`],
  ],
  ["... to be set aside", backup, { "/h/f": { size: 3 } }, ["link /h/f to /p/f, after setting aside what is there"]],
  ["... to be adopted", adoptFile, { "/h/f": { size: 3 } }, ["move /h/f into /p/f", "link /h/f to /p/f"]],
  [
    "... and another one in storage",
    adoptFile,
    { "/h/f": { size: 3 }, "/p/f": { size: 4 } },
    [`${F}both /h/f and /p/f hold data; merge them by hand: neither is overwritten`],
  ],
  ["an empty file in the way", file, { "/h/f": { size: 0 } }, ["link /h/f to /p/f, in place of an empty file"]],
  [
    "somebody's link in the way",
    file,
    { "/h/f": { text: "/x" } },
    [`${F}/h/f is a link to /x; remove the link, or set onConflict to "backup"`],
  ],
  ["... to be set aside", backup, { "/h/f": { text: "/x" } }, ["link /h/f to /p/f, after setting aside what is there"]],
  ["the right link", file, { "/h/f": { text: "/p/f" } }, []],
  ["an empty directory for a link", linked, { "/h/a": "directory", "/p/a": "directory" }, ["link /h/a to /p/a"]],
  ["a file for a link to a directory", linked, { "/h/a": { size: 0 } }, [`${D}/h/a is a file; move it away, or list it under files`]],
])("%s", (_, desired, things, expected) => {
  expect(planned(desired, new World({ ...base, ...things }))).toEqual(expected);
});

test("a file of the same content is replaced", () => {
  const world = new World({ ...base, "/h/f": { size: 3 } });
  const seen = world.observe(file);
  const same = { ...seen, targets: new Map([["/h/f", { type: "file", size: 3, same: true } as const]]) };
  expect(lines(makePlan(file, same))).toEqual(["link /h/f to /p/f, in place of a file with the same content"]);
});

test("a storage that is not there is refused for its entries alone, and never made", () => {
  const desired = desire({ "/p": { directories: ["a", "b"] }, "/gone": { directories: ["c"], files: ["d"] } });
  const plan = makePlan(desired, new World(base).observe(desired));
  expect(explainPlan(plan).slice(0, 2)).toEqual([
    'refused: persistence."/gone".directories[0] (and 1 more): the storage /gone does not exist; mount or create it; it is never created here',
    "create /p/a (0700)",
  ]);
  expect(plan.actions.filter(({ type }) => type === "mount")).toHaveLength(2);
});

test.each<[string, Record<string, "directory" | { text: string } | { size: number }>, string]>([
  ["missing", { "/p": "directory" }, "the home /h does not exist; create it, or correct the option home"],
  ["a link", { "/p": "directory", "/h": { text: "/x" } }, "the home /h is a symbolic link; set home to the path it leads to: /x"],
  ["a file", { "/p": "directory", "/h": { size: 0 } }, "the home /h is not a directory; correct the path"],
])("a home that is %s refuses everything", (_, things, expected) => {
  expect(planned(one, new World(things))).toEqual([`${D}${expected}`]);
});

test("what could not be looked at is refused with its errno", () => {
  const seen = new World(base).observe(one);
  const denied = { ...seen, sources: new Map([["/p/a", { type: "error", errno: "EACCES" } as const]]) };
  expect(lines(makePlan(one, denied))).toEqual([
    `${D}/p/a cannot be looked at: EACCES; make it and the directories above it readable for this user`,
  ]);
  expect(lines(makePlan(one, { ...seen, targets: new Map() }))).toEqual([
    `${D}/h/a cannot be looked at: not observed; see \`hmpersist doctor\``,
  ]);
});

test("a link above a target would let it land elsewhere", () => {
  const desired = desire({ "/p": { directories: ["l/a"], files: ["l/f"] } });
  const reason = "/h/l, which it lies in, is a symbolic link; replace the link (to /x) by a directory";
  expect(planned(desired, new World({ ...base, "/h/l": { text: "/x" } }))).toEqual([`${D}${reason}`, `${F}${reason}`]);
});

test.each<[string, OwnMount[], Desired, string[]]>([
  ["held and served: kept", [served("/h/a", "/p/a")], one, []],
  ["dead: replaced", [served("/h/a", "/p/a", { health: "dead" })], one, ["unmount /h/a (its server is gone)", mount]],
  ["of another source: replaced", [served("/h/a", "/q/a")], one, ["unmount /h/a (listed differently now)", mount]],
  ["with another cache: replaced", [served("/h/a", "/p/a", { cache: "exclusive" })], one, ["unmount /h/a (listed differently now)", mount]],
  [
    "of a daemon that is gone: replaced",
    [served("/h/a", "/p/a", { held: false })],
    one,
    ["unmount /h/a (served by nobody of this daemon)", mount],
  ],
  [
    "stacked: replaced by one",
    [served("/h/a", "/p/a"), served("/h/a", "/p/a")],
    one,
    ["unmount /h/a (listed differently now)", "unmount /h/a (listed differently now)", mount],
  ],
  [
    "no longer listed: detached, deepest first",
    [served("/h/b", "/p/b"), served("/h/b/c", "/q/c"), served("/h/a", "/p/a")],
    one,
    ["unmount /h/b/c (no longer listed)", "unmount /h/b (no longer listed)"],
  ],
  ["not ours to touch: another home's", [served("/other/b", "/p/b", { held: false }), served("/h/a", "/p/a")], one, []],
  ["now a link: detached first", [served("/h/a", "/p/a")], linked, ["unmount /h/a (no longer listed)", "link /h/a to /p/a"]],
])("a mount %s", (_, mounts, desired, expected) => {
  const world = new World({ ...base, "/p/a": "directory", "/q/a": "directory", "/h/a": "directory", "/h/b/c": "directory" });
  world.mounts = mounts;
  expect(planned(desired, world)).toEqual(expected);
});

test("a stuck mount is refused, not touched; so is one that left the configuration", () => {
  const world = new World({ ...base, "/p/a": "directory" });
  world.mounts = [served("/h/a", "/p/a", { health: "stuck" }), served("/h/z", "/p/z", { health: "stuck" })];
  const way = (path: string): string => `look at its storage; to give it up: fusermount3 -uz ${path}, then hmpersist apply`;
  expect(planned(one, world)).toEqual([
    `${D}the mount at /h/a does not answer; ${way("/h/a")}`,
    `(no longer listed): the mount at /h/z does not answer; ${way("/h/z")}`,
  ]);
});

test("when a mount changes, those inside of it are detached before and mounted after; their neighbours stay", () => {
  const desired = desire({ "/p": { allowOther: true, directories: ["a", "n"] }, "/q": { directories: ["a/b"] } });
  const world = new World({
    ...base,
    "/p/a/b": "directory",
    "/p/n": "directory",
    "/q/a/b": "directory",
    "/h/a": "directory",
    "/h/n": "directory",
  });
  const mounts = ["mount /p/a at /h/a", "mount /q/a/b at /h/a/b"];
  world.mounts = [served("/h/a", "/p/a", { cache: "exclusive" }), served("/h/a/b", "/q/a/b"), served("/h/n", "/p/n")];
  expect(planned(desired, world)).toEqual([
    "unmount /h/a/b (a mount above it changes)",
    "unmount /h/a (listed differently now)",
    ...mounts,
  ]);
  // Nobody gets into a dead one: it takes along what is mounted in it.
  world.mounts = [served("/h/a", "/p/a", { health: "dead" }), served("/h/a/b", "/q/a/b"), served("/h/n", "/p/n")];
  expect(planned(desired, world)).toEqual(["unmount /h/a (its server is gone)", ...mounts]);
});

test("a mountpoint inside of a mount that stays is made through that mount", () => {
  const desired = desire({ "/p": { allowOther: true, directories: ["a"] }, "/q": { directories: ["a/b/c"] } });
  const world = new World({ ...base, "/p/a": "directory", "/q/a/b/c": "directory", "/h/a": "directory" });
  world.mounts = [served("/h/a", "/p/a")];
  expect(planned(desired, world)).toEqual(["create /h/a/b (0700)", "create /h/a/b/c (0700)", "mount /q/a/b/c at /h/a/b/c"]);
});

test("data in the outer storage where an inner mountpoint would be are not hidden in silence", () => {
  const desired = desire({ "/p": { allowOther: true, directories: ["a"] }, "/q": { directories: ["a/b"] } });
  const [first] = planned(desired, new World({ ...base, "/p/a/b/data": { size: 1 }, "/q/a/b": "directory" }));
  expect(first).toBe(
    'persistence."/q".directories[0]: /p/a/b is not empty: it holds data; move them into /q/a/b (hmpersist adopt /h/a/b), or set onNonEmpty',
  );
});

test("what lies in a refused mount is refused with it", () => {
  const desired = desire({ "/p": { allowOther: true, directories: ["a"] }, "/q": { directories: ["a/b"] } });
  expect(planned(desired, new World({ ...base, "/h/a/x": { size: 1 } }))[1]).toBe(
    'persistence."/q".directories[0]: /h/a, which it lies in, is refused; see there',
  );
});

test("a link of ours that left the configuration is removed, unless it is somebody else's by now", () => {
  const world = new World({ ...base, "/h/f": { text: "/p/f" }, "/h/old": { text: "/p/old" }, "/h/taken": { text: "/x" } });
  for (const name of ["f", "old", "taken"]) world.ownLinks.set(`/h/${name}`, `/p/${name}`);
  expect(planned(file, world)).toEqual(["remove the link /h/old (no longer listed)"]);
});

test("a link of ours that is to lead elsewhere is made anew; one that becomes a mount goes first", () => {
  const world = new World({ ...base, "/h/f": { text: "/old/f" }, "/h/a": { text: "/p/a" }, "/p/a": "directory" });
  world.ownLinks.set("/h/f", "/old/f").set("/h/a", "/p/a");
  const desired = desire({ "/p": { files: ["f"], directories: ["a"] } });
  expect(planned(desired, world)).toEqual([
    "remove the link /h/a (no longer listed)",
    "create /h/a (0700)",
    mount,
    "link /h/f to /p/f, which led to /old/f",
  ]);
});

test("entries below a former link to a directory, and below a former mount", () => {
  const desired = desire({ "/p": { files: ["l/f"], directories: ["m/d"] } });
  const world = new World({ ...base, "/h/l": { text: "/p/l" }, "/p/l": "directory", "/h/m": "directory", "/p/m/d": "directory" });
  world.ownLinks.set("/h/l", "/p/l");
  world.mounts = [served("/h/m", "/p/m")];
  // What the mount hid is known only once it is gone.
  expect(makePlan(desired, world.observe(desired)).postponed).toEqual(["/h/m/d"]);
  expect(planned(desired, world)).toEqual([
    "unmount /h/m (no longer listed)",
    "remove the link /h/l (no longer listed)",
    "create /h/l (0700)",
    "link /h/l/f to /p/l/f",
    "create /h/m/d (0700)",
    "mount /p/m/d at /h/m/d",
  ]);
});

test("a directory that the program runs from is not mounted, but linked or left as it is mounted", () => {
  const world = new World({ ...base, "/h/nvm/bin/node": { size: 9 }, "/p/nvm": "directory" });
  world.program = ["/h/nvm/bin/node"];
  const mount = desire({ "/p": { directories: [{ directory: "nvm", onNonEmpty: "adopt" }] } });
  const link = desire({ "/p": { directories: [{ directory: "nvm", onNonEmpty: "adopt", method: "symlink" }] } });
  expect(planned(mount, world)).toEqual([expect.stringContaining("hmpersist runs from it (/h/nvm/bin/node)")]);
  expect(planned(link, world)).toEqual(["move /h/nvm into /p/nvm", "link /h/nvm to /p/nvm"]);
  const before = new World(base);
  planned(mount, before);
  before.program = world.program;
  expect(planned(mount, before)).toEqual([]);
});

test("other people's mounts are kept away from", () => {
  const world = new World(base);
  world.foreignMounts = ["/h/a/x"];
  expect(planned(one, world)).toEqual([`${D}something else is mounted at /h/a/x; unmount it, or remove this entry`]);
});
