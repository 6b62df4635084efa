// `status --watch` on a real terminal: refreshed in place, fitted to its size.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import stringWidth from "string-width";
import { expect, test } from "vitest";
import { withSandbox } from "../helpers/sandbox.ts";
import { inTerminal } from "./terminal.ts";

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
