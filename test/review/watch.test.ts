// `status --watch` on a real terminal: refreshed in place, fitted to its size.
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import stringWidth from "string-width";
import { expect, test } from "vitest";
import { deadline } from "../helpers/deadline.ts";
import { withSandbox } from "../helpers/sandbox.ts";
import { inTerminal } from "./terminal.ts";

const WATCH = `'${process.execPath}' '${fileURLToPath(new URL("../../bin/hmpersist.js", import.meta.url))}' status --watch`;

test("the table follows what happens, at 40 columns and in fewer rows than it has lines", async () => {
  await withSandbox("watch", {}, async (sandbox) => {
    sandbox.writeWikiConfig();
    mkdirSync(join(sandbox.home, ".mozilla"), { recursive: true });
    const args = ["status", "--watch"];
    await inTerminal(sandbox, args, { columns: 40, rows: 20 }, async (terminal) => {
      await terminal.see(/daemon +not running/);
      const mounted = await sandbox.run(["mount", "--config", sandbox.configFile]);
      expect(mounted.stdout).toMatch(/81 entries/);
      const screen = await terminal.see(/daemon +running for[^]*~\/\.atom\/packages\/ +mounted[^]*more lines/);
      expect(screen.trimEnd().split("\n").length).toBeLessThanOrEqual(20);
      for (const line of screen.split("\n")) expect(stringWidth(line)).toBeLessThanOrEqual(40);
      await sandbox.run(["unmount"]);
      expect(await terminal.see(/daemon +not running/)).not.toMatch(/more lines/);
      await terminal.press("C-c");
      await terminal.see(/exit 130/);
    });
  });
});

test("a daemon that was stopped is told, and followed again when it goes on", async () => {
  await withSandbox("watch-stopped", {}, async (sandbox) => {
    sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data"] } } });
    expect((await sandbox.run(["mount", "--config", sandbox.configFile])).code).toBe(0);
    const pid = (await sandbox.status()).daemon?.pid ?? 0;
    await inTerminal(sandbox, ["status", "--watch"], { columns: 100, rows: 24 }, async (terminal) => {
      await terminal.see(/daemon +running for/);
      process.kill(pid, "SIGSTOP");
      try {
        await terminal.see(/daemon +degraded for[^]*~\/data\/ +mounted[^]*was stopped; [^]*kill -CONT \d+/);
      } finally {
        process.kill(pid, "SIGCONT");
      }
      expect(await terminal.see(/daemon +running for/)).not.toMatch(/was stopped/);
      await terminal.press("C-c");
      await terminal.see(/exit 130/);
    });
  });
});

test("a terminal that does not know its size gets a screen of the usual one", async () => {
  await withSandbox("no-size", {}, async (sandbox) => {
    sandbox.writeWikiConfig();
    expect((await sandbox.run(["mount", "--config", sandbox.configFile])).stdout).toMatch(/81 entries/);
    const script = sandbox.spawn("script", ["-qfc", `stty rows 0 columns 0; exec ${WATCH}`, "/dev/null"], { NO_COLOR: "1" }, "pipe");
    const seen = new Promise<string>((resolve) => {
      let text = "";
      script.stdout?.setEncoding("utf8").on("data", (chunk: string) => /more lines[^]*\x1b\[J/.test((text += chunk)) && resolve(text));
    });
    const screen = await deadline("a screen", 20_000, seen);
    expect(screen.trimEnd().split("\n")).toHaveLength(24);
    expect(screen).toMatch(/hmpersist \d[^]*daemon +running for[^]*~\/\.atom\/packages\/ +mounted/);
  });
});

test("with --json it prints an object a line, until its reader goes away", async () => {
  await withSandbox("watch-json", {}, async (sandbox) => {
    await inTerminal(sandbox, ["status", "--watch", "--json"], { columns: 200, rows: 20 }, async (terminal) => {
      await terminal.see(/^\{"version":[^]*\}\n\{"version":/);
      await terminal.press("C-c");
      await terminal.see(/exit 130/);
    });
    const watching = sandbox.spawn("sh", ["-c", `exec ${WATCH} --json`]);
    const ended = once(watching, "exit");
    const lines: unknown[] = [];
    for await (const line of createInterface({ input: watching.stdout ?? process.stdin })) {
      lines.push(JSON.parse(line));
      if (lines.length === 2) break;
    }
    expect(lines).toMatchObject([{ daemon: null }, { daemon: null }]);
    watching.stdout?.destroy();
    expect(await deadline("the end of a watch without a reader", 20_000, ended)).toEqual([0, null]);
  });
});
