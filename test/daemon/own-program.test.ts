// The directory that hmpersist runs from, a Node.js in the home for instance: a server that dies could not be followed by one that would have
// to be read through the mount which waits for it. So it is no mount, but may be a link.
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withSandbox } from "../helpers/sandbox.ts";

test("the directory that hmpersist runs from is refused as a mount, and is adopted as a link", () =>
  withSandbox("own-program", { homeOptions: "size=300m" }, async (sandbox) => {
    const [tools, data] = [join(sandbox.home, "tools"), join(sandbox.home, "data")];
    const node = join(tools, "node");
    mkdirSync(tools);
    copyFileSync(process.execPath, node);
    const configure = (entry: object): string =>
      sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: [entry, "data"] } } });
    const adopt = () => sandbox.exec(node, [sandbox.program, "adopt", tools]);

    const config = configure({ directory: "tools", onNonEmpty: "adopt" });
    const mounted = await sandbox.exec(node, [sandbox.program, "mount", "--config", config]);
    expect(mounted).toMatchObject({ code: 3, stdout: expect.stringContaining(`hmpersist runs from it (${node})`) });
    expect(await adopt()).toMatchObject({ code: 3, stderr: expect.stringContaining('set method "symlink" for it') });
    expect(existsSync(node)).toBe(true);

    configure({ directory: "tools", method: "symlink" });
    expect(await adopt()).toMatchObject({ code: 0 });
    const { server } = await sandbox.status();
    process.kill(server?.pid ?? 0, "SIGKILL");
    await sandbox.statusUntil("another server", (report) => report.server?.restarts === 1);
    expect(await sandbox.exec("touch", [join(data, "file")])).toMatchObject({ code: 0 });
    expect(existsSync(join(sandbox.storage, "data/file"))).toBe(true);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }));
