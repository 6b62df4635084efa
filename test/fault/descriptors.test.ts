// A server that has no descriptors left gives up the directories it keeps open before any program is told EMFILE, and nothing of it stays.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { mountData, outcome, WAYS } from "../helpers/faults.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

const DIRECTORIES = 300;

/** Leaves the server `free` descriptors more than it has, or takes some away from what it keeps open for speed. */
async function limitServer(sandbox: Sandbox, free: number): Promise<number> {
  const { server } = await sandbox.status();
  const pid = server?.pid ?? 0;
  const limit = readdirSync(`/proc/${pid}/fd`).length + free;
  execFileSync("prlimit", [`--nofile=${limit}:${limit}`, "--pid", String(pid)]);
  return pid;
}

const MAKE = `
for n in range(${DIRECTORIES}):
    os.mkdir("d%d" % n)
    open("d%d/file" % n, "w").write(str(n))
`;
const READ_ALL = `
for n in range(${DIRECTORIES}):
    assert open("d%d/file" % n).read() == str(n)
    assert os.listdir("d%d" % n) == ["file"]
`;
// Holds files open until there is an error, syncs one nonetheless, closes them, and goes on.
const EXHAUST = `
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
held = []
try:
    while len(held) < 2000: held.append(os.open("held%d" % len(held), os.O_CREAT | os.O_RDWR))
    raise Exception("never exhausted")
except OSError as e:
    failure = e
assert len(held) >= 60, "only %d files" % len(held)
os.write(held[0], b"x" * 100000); os.fsync(held[0]); os.posix_fallocate(held[1], 0, 5000)
# Enough for a duplicate, too few for a thread.
os.close(held.pop()); os.close(held.pop()); os.fsync(held[0])
assert os.stat("d3/file").st_size == 1
for fd in held: os.close(fd)
open("after", "w").write("fine")
raise failure
`;

test.each(WAYS)("$name: EMFILE comes only when descriptors are really exhausted, and goes with its cause", { timeout: 120_000 }, (way) =>
  withSandbox("emfile", {}, async (sandbox) => {
    const data = await mountData(sandbox, sandbox.storage, way);
    expect(await outcome(sandbox, data, MAKE)).toBe("ok");
    // The kernel engine keeps up to 256 directories open.
    const pid = await limitServer(sandbox, way.engine === "kernel" ? -150 : 80);
    expect(await outcome(sandbox, data, EXHAUST)).toBe("EMFILE");
    expect(await outcome(sandbox, data, READ_ALL)).toBe("ok");
    const { server } = await sandbox.status();
    expect(server).toMatchObject({ pid, restarts: 0 });
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  }),
);
