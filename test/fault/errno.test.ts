// Whatever errno a system call of the server gives, the program gets that one and no other, and none any more when the fault is gone.
// Injected by a preloaded library (test/fixtures/faulty-libc.c), since no storage gives all of them when it is asked.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { mountData, WAYS } from "../helpers/faults.ts";
import { Sandbox } from "../helpers/sandbox.ts";

// Each case: the call that fails, what comes before, what gets the errno. A new file each time, so that no cache answers.
const PROGRAM = `
import errno, os, struct, sys
CALLS = "OPEN READ WRITE FSYNC ALLOCATE TRUNCATE MKDIR RENAME UNLINK LINK STAT COPY".split()
ERRNOS = "EIO ENOSPC EDQUOT EROFS EMFILE ENFILE ENOMEM".split()
CASES = [
  # An exclusive mount opens a file when it is first read.
  ("OPEN", "make(f, direct=True)", "fd = os.open(f, os.O_RDONLY); assert os.pread(fd, 10, 0) == b'x' * 10"),
  ("OPEN", "", "os.close(os.open(f, os.O_CREAT | os.O_WRONLY))"),
  ("OPEN", "os.mkdir(f)", "os.listdir(f)"),
  # Not a small one, whose content comes when it is opened.
  ("READ", "make(f, 3000000, direct=True); fd = os.open(f, os.O_RDONLY)", "assert os.pread(fd, 10, 2000000) == b'x' * 10"),
  ("WRITE", "fd = os.open(f, os.O_CREAT | os.O_WRONLY)", "os.write(fd, b'y' * 100); os.fsync(fd)"),
  ("FSYNC", "fd = os.open(f, os.O_CREAT | os.O_WRONLY); os.write(fd, b'y')", "os.fsync(fd)"),
  ("ALLOCATE", "fd = os.open(f, os.O_CREAT | os.O_WRONLY)", "fallocate(fd)"),
  ("TRUNCATE", "make(f)", "os.truncate(f, 3)"),
  ("MKDIR", "", "os.mkdir(f)"),
  ("RENAME", "make(f)", "os.rename(f, f + '.new')"),
  ("UNLINK", "make(f)", "os.unlink(f)"),
  ("LINK", "make(f)", "os.link(f, f + '.new')"),
  ("STAT", "make(f, direct=True)", "os.stat(f)"),
  ("COPY", "make(f, 200000); fd = os.open(f, os.O_RDONLY); to = os.open(f + '.to', os.O_CREAT | os.O_WRONLY)",
   "assert os.copy_file_range(fd, to, 200000) == 200000"),
]
engine, rules, storage = sys.argv[1:]
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def fallocate(fd):
    if libc.fallocate(fd, 0, ctypes.c_long(0), ctypes.c_long(5000)) != 0: raise OSError(ctypes.get_errno(), "fallocate")
def make(f, size=10, direct=False):
    with open(os.path.join(storage, f) if direct else f, "wb") as out: out.write(b"x" * size)
def rule(call, number):
    with open(rules, "r+b") as out: out.write(b"\\0" * 8 * CALLS.index(call) + struct.pack("i", number) + b"\\0" * 400)
def attempt(code, scope):
    try:
        exec(code, globals(), scope)
        return "ok"
    except OSError as e:
        return errno.errorcode[e.errno]
wrong = []
for number, (call, before, code) in enumerate(CASES):
    # libfuse 2 behind fuse-native has neither allocation nor copies; node:fs lists and looks at files in ways of its own.
    if engine == "fuse-native" and (call in ("ALLOCATE", "COPY", "STAT") or "listdir" in code): continue
    for name in ERRNOS:
        scope = {"f": "%d-%s" % (number, name)}
        exec(before, globals(), scope)
        rule(call, getattr(errno, name))
        got = attempt(code, scope)
        rule(call, 0)
        after = attempt(code, scope)
        for fd in ("fd", "to"):
            if fd in scope: os.close(scope[fd])
        if (got, after) != (name, "ok"): wrong.append("%s gave %s, then %s: %s" % (name, got, after, code))
print("\\n".join(wrong) or "as they should be")
`;

test.each(WAYS)("$name: every errno arrives as itself, from every call, and goes with its cause", { timeout: 60_000 }, async (way) => {
  const rules = { path: "" };
  const sandbox = new Sandbox("errno");
  try {
    const library = join(sandbox.base, "faulty-libc.so");
    execFileSync("gcc", ["-shared", "-fPIC", "-O1", "-o", library, fileURLToPath(new URL("../fixtures/faulty-libc.c", import.meta.url))]);
    rules.path = join(sandbox.base, "rules");
    writeFileSync(rules.path, Buffer.alloc(4096));
    Object.assign(sandbox.env, { LD_PRELOAD: library, HMPERSIST_FAULTS: rules.path, HMPERSIST_PASSTHROUGH: "0" });
    const data = await mountData(sandbox, sandbox.storage, way);
    const source = join(sandbox.storage, "data");
    const command = 'cd "$1" && exec python3 -c "$2" "$3" "$4" "$5"';
    const ran = await sandbox.exec("sh", ["-c", command, "sh", data, PROGRAM, way.engine, rules.path, source], { LD_PRELOAD: "" });
    expect(ran.stdout.trim(), ran.stderr).toBe("as they should be");
    const { server, entries } = await sandbox.status();
    expect(server).toMatchObject({ restarts: 0 });
    expect(entries[0]?.stats?.errors).toBeGreaterThanOrEqual(50);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  } finally {
    await sandbox.dispose();
  }
});
