// The status table over the project's own big configuration: 81 entries, wide, narrow, and without a terminal.
import { readFileSync } from "node:fs";
import stringWidth from "string-width";
import { expect, test } from "vitest";
import { makeStyle } from "../../../src/cli/output.ts";
import { renderStatus } from "../../../src/cli/status-table.ts";
import type { EntryStatus, StatusReport } from "../../../src/daemon/status.ts";

interface Wiki {
  home: string;
  persistence: Record<string, { removePrefixDirectory: boolean; directories: string[]; files: string[] }>;
}
const wiki = JSON.parse(readFileSync("test/fixtures/wiki.json", "utf8")) as Wiki;
const NOW = Date.UTC(2026, 10, 21, 12);

function entries(): EntryStatus[] {
  return Object.entries(wiki.persistence).flatMap(([storage, { removePrefixDirectory, directories, files }]) => {
    const place = (path: string): { storage: string; source: string; target: string } => ({
      storage,
      source: `${storage}/${path}`,
      target: `${wiki.home}/${removePrefixDirectory ? path.slice(path.indexOf("/") + 1) : path}`,
    });
    return [
      ...directories.map((path, index): EntryStatus => ({
        ...place(path),
        type: "directory",
        method: "fuse",
        engine: "kernel",
        cache: "shared",
        state: "mounted",
        healthy: true,
        stats: {
          requests: 1234 * index,
          errors: index % 3,
          bytesRead: 1 << (index + 10),
          bytesWritten: 999,
          nodes: 1,
          handles: 1,
          busyMs: 0,
          cacheHits: 77,
          features: [],
        },
      })),
      ...files.map((path): EntryStatus => ({
        ...place(path),
        type: "file",
        method: "symlink",
        engine: null,
        state: "linked",
        healthy: true,
      })),
    ];
  });
}

function report(change: (entries: EntryStatus[]) => void = () => {}): StatusReport {
  const list = entries();
  change(list);
  return {
    version: "0.1.0",
    daemon: { pid: 4711, since: NOW - 7_300_000, state: "running" },
    server: { pid: 4712, restarts: 0, deaths: 0 },
    home: wiki.home,
    configFile: `${wiki.home}/.config/hmpersist/config.json`,
    entries: list,
    refusals: [],
    problems: [],
  };
}

const set = (list: EntryStatus[], index: number, change: Partial<EntryStatus>): void => {
  list[index] = { ...(list[index] as EntryStatus), ...change };
};

test("every entry has a line under its storage", () => {
  const text = renderStatus(report(), makeStyle({ colour: false, width: 120 }), NOW);
  const lines = text.split("\n");
  expect(lines.filter((line) => / (mounted|linked)\b/.test(line) && line.startsWith("\u2714"))).toHaveLength(81);
  expect(lines).toContain("daemon  running for 2h, pid 4711");
  expect(lines.find((line) => line.startsWith("/nix/dotfiles "))).toMatch(/6 fine$/);
  expect(text).toMatch(/~\/\.mozilla\/ +mounted +kernel shared +3\.7k +77 +8\.0 KiB +999 B +0/);
});

test.each([20, 40, 60, 80, 132])("no line is wider than %i columns, and target and state stay readable", (width) => {
  const text = renderStatus(
    report((list) => {
      set(list, 3, { state: "dead", healthy: false, detail: "the server is gone (ENOTCONN); `hmpersist mount` mounts it again" });
      set(list, 5, {
        healed: { count: 3, last: NOW - 60_000 },
        state: "healed",
        backups: ["/nix/dotfiles/Atom/.atom/github.cson.hmpersist-1"],
      });
    }),
    makeStyle({ colour: true, width }),
    NOW,
  );
  for (const line of text.split("\n")) expect(stringWidth(line)).toBeLessThanOrEqual(width);
  if (width >= 40) expect(text).toMatch(/kwinrulesrc +\S*linked/);
  if (width >= 40) expect(text).toMatch(/mended 3 times, last 1m ago/);
});

test("without a terminal nothing is cut and nothing is coloured", () => {
  const long = `${wiki.home}/${"very-long-name/".repeat(20)}end`;
  const text = renderStatus(
    report((list) => set(list, 0, { target: long })),
    makeStyle({ colour: false, width: Infinity }),
    NOW,
  );
  expect(text).toContain("very-long-name/".repeat(20));
  expect(text).not.toContain("\x1b");
});

test("what is refused says why and how to go on, below its entry", () => {
  const target = `${wiki.home}/.mozilla`;
  const refused = {
    ...report((list) => set(list, 3, { state: "refused", healthy: false })),
    refusals: [
      { target, source: "", option: "", reason: "holds 3 files", hint: "run: hmpersist adopt ~/.mozilla" },
      { target: `${wiki.home}/x`, source: "", option: "", reason: "named twice", hint: "drop one" },
    ],
  };
  const lines = renderStatus(refused, makeStyle({ colour: false, width: 100 }), NOW).split("\n");
  const at = lines.findIndex((line) => line.includes("~/.mozilla/"));
  expect(lines.slice(at + 1, at + 3)).toEqual(["   holds 3 files", "   run: hmpersist adopt ~/.mozilla"]);
  expect(lines.slice(lines.indexOf("refused"))).toEqual(expect.arrayContaining(["\u25b2  ~/x", "   named twice", "   drop one"]));
});

test("a name cannot drive the terminal", () => {
  const text = renderStatus(
    report((list) => set(list, 0, { target: `${wiki.home}/a\x1b[2Jb\nc`, detail: "\x1b]0;title\x07" })),
    makeStyle({ colour: false, width: Infinity }),
    NOW,
  );
  expect(text).toContain("~/a\\x1b[2Jb\\nc/");
  expect(text).not.toContain("\x1b");
});
