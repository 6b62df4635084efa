// A file that is open although its permissions would no longer let it be opened (git writes its objects that way) stays open across the
// death of an ordinary user's server.
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deadline } from "../helpers/deadline.ts";
import { withSandbox } from "../helpers/sandbox.ts";

const HOLDER = `
import os, sys
made = os.open("made", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o400)
closed = os.open("closed", os.O_RDWR | os.O_CREAT, 0o600)
os.write(closed, b"1"); os.fchmod(closed, 0)
print("open", flush=True)
sys.stdin.readline()
os.write(made, b"written"); os.fsync(made)
os.write(closed, b"2")
assert os.pread(closed, 9, 0) == b"12"
print("done", flush=True)
`;

test.each(["shared", "exclusive"] as const)("%s", { timeout: 60_000 }, (cache) =>
  withSandbox("closed", { as: "user" }, async (sandbox) => {
    const persistence = { [sandbox.storage]: { directories: [{ directory: "data", cache }] } };
    sandbox.writeConfig({ home: sandbox.home, engine: "kernel", persistence });
    expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
    const script = ["-c", 'cd "$1" && exec python3 -c "$2"', "sh", join(sandbox.home, "data"), HOLDER];
    const holder = sandbox.spawn("sh", script, {}, "pipe");
    let errors = "";
    holder.stderr?.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk));
    if (holder.stdout === null) throw new Error("no output to listen to");
    await deadline("the holder's files", 20_000, once(holder.stdout, "data"));
    const { server } = await sandbox.status();
    process.kill(server?.pid ?? 0, "SIGKILL");
    await sandbox.statusUntil("another server", (report) => report.server !== null && report.server.pid !== server?.pid);
    holder.stdin?.write("\n");
    expect(await deadline("the holder's end", 20_000, once(holder, "exit")), errors).toEqual([0, null]);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
    const kept = (name: string): string => join(sandbox.storage, "data", name);
    expect([readFileSync(kept("made"), "utf8"), statSync(kept("made")).mode & 0o777]).toEqual(["written", 0o400]);
    expect([readFileSync(kept("closed"), "utf8"), statSync(kept("closed")).mode & 0o777]).toEqual(["12", 0]);
  }),
);
