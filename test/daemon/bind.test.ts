// method "bind": root's way, without a server.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readMountinfo } from "../../src/sys/mountinfo.ts";
import { withSandbox } from "../helpers/sandbox.ts";

test('method "bind" binds the directory, apply keeps it, unmount takes it away', () =>
  withSandbox("bind", {}, async (sandbox) => {
    sandbox.writeConfig({
      home: sandbox.home,
      persistence: { [sandbox.storage]: { directories: [{ directory: "data", method: "bind" }] } },
    });
    const bound = () => readMountinfo().filter((mount) => mount.mountpoint === join(sandbox.home, "data"));
    expect(await sandbox.run(["mount", "--config", sandbox.configFile])).toMatchObject({ code: 0 });
    expect(bound()).toHaveLength(1);
    writeFileSync(join(sandbox.storage, "data/file"), "x");
    expect(await sandbox.exec("cat", [join(sandbox.home, "data/file")])).toMatchObject({ stdout: "x" });
    expect(await sandbox.run(["apply"])).toMatchObject({ code: 0 });
    expect(bound()).toHaveLength(1);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    expect(bound()).toEqual([]);
  }));
