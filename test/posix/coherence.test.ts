// "shared": what is done in the storage behind the mount's back is seen through the mount within the entry and attribute timeout (a
// second), also through files that are open. "exclusive": nothing that was written is lost at fsync, close, unmount or the server's end.
// The observer is a process of its own, for a mount that hangs must not take the test with it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ERRNO } from "../../src/sys/errno.ts";
import { deadline } from "../helpers/deadline.ts";
import { startMount, type Mounted } from "../helpers/mounted.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";
import { dialogue, python, type Dialogue } from "./calls.ts";

/** The timeout of "shared" is one second; the rest is for a busy machine. */
const SEEN_MS = 5_000;

// Evaluates expressions, one a line; `f` is a dictionary of files the test keeps open.
const OBSERVER = `import ctypes, json, mmap, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
f = {}
def content(name):
    with open(name) as file: return file.read()
def pread(name): return os.pread(f[name], 1000000, 0).decode()
def mapped(name):
    with mmap.mmap(f[name], 0, prot=mmap.PROT_READ) as m: return m[:].decode()
def keep(name): f[name] = os.open(name, os.O_RDONLY); return True
def there(name): return os.path.exists(name)
def set_mtime(name): # to 1, and atime to UTIME_OMIT
    failed = libc.utimensat(-100, name.encode(), struct.pack("qqqq", 0, 0x3ffffffe, 1, 0), 0)
    return ctypes.get_errno() if failed else 0
for line in sys.stdin:
    try: print(json.dumps(eval(line)))
    except OSError as e: print(json.dumps("errno %d" % e.errno))
`;

let storage = "";
let mounted: Mounted | undefined;
let observer: Dialogue | undefined;

beforeEach(() => {
  storage = tempDirectory("coherence", { base: SHM });
});
afterEach(async () => {
  observer?.child.kill("SIGKILL");
  observer = undefined;
  await mounted?.dispose();
  mounted = undefined;
  removeTree(storage);
});

async function mountAs(cache: "shared" | "exclusive", options: { readonly passthrough?: false } = {}): Promise<Mounted> {
  mounted = await startMount({ engine: "kernel", cache, source: storage, ...options });
  return mounted;
}

async function observe(mountpoint: string): Promise<(expression: string) => Promise<unknown>> {
  // It changes its directory itself: spawn's cwd would be entered by this process's child before exec, and only that is the same.
  observer = dialogue("/", `import os\nos.chdir(${JSON.stringify(mountpoint)})\n${OBSERVER}`);
  const { say, line } = observer;
  return async (expression) => {
    say(expression);
    return JSON.parse(await deadline(expression, 30_000, line(), () => mounted?.stacks() ?? "")) as unknown;
  };
}

/** Polls until the observer sees `wanted`. */
async function seen(look: (expression: string) => Promise<unknown>, expression: string, wanted: unknown): Promise<void> {
  const end = Date.now() + SEEN_MS;
  for (;;) {
    const found = await look(expression);
    if (JSON.stringify(found) === JSON.stringify(wanted)) return;
    if (Date.now() > end) expect.fail(`${expression} is still ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe.each([
  { way: "through the page cache", options: { passthrough: false } as const },
  { way: "with FUSE_PASSTHROUGH", options: {} },
])("shared, $way", ({ options }) => {
  test("new content of the same size is seen, by name, through an open file and through a mapping", async () => {
    writeFileSync(join(storage, "file"), "before");
    const look = await observe((await mountAs("shared", options)).mountpoint);
    expect(await look(`keep("file") and [content("file"), pread("file"), mapped("file")]`)).toEqual(["before", "before", "before"]);
    writeFileSync(join(storage, "file"), "AFTER!");
    await seen(look, `[content("file"), pread("file")]`, ["AFTER!", "AFTER!"]);
    await seen(look, `mapped("file")`, "AFTER!");
  });

  test.each([100, 100_000])("new content of %i bytes is seen at the next open, whatever mtime says", async (size) => {
    const file = join(storage, "file");
    const write = (byte: string): void => {
      writeFileSync(file, Buffer.alloc(size, byte), { flag: "r+" });
      utimesSync(file, 1000, 1000);
    };
    writeFileSync(file, "");
    write("a");
    const look = await observe((await mountAs("shared", options)).mountpoint);
    for (const byte of ["a", "b", "c"]) {
      write(byte);
      await seen(look, `sorted(set(content("file"))) + [len(content("file"))]`, [byte, size]);
    }
  });

  test("growth and truncation are seen, by name and through an open file", async () => {
    writeFileSync(join(storage, "file"), "12345");
    const look = await observe((await mountAs("shared", options)).mountpoint);
    expect(await look(`keep("file") and os.stat("file").st_size`)).toBe(5);
    appendFileSync(join(storage, "file"), "67890");
    await seen(look, `[os.stat("file").st_size, os.fstat(f["file"]).st_size, pread("file")]`, [10, 10, "1234567890"]);
    truncateSync(join(storage, "file"), 2);
    await seen(look, `[os.stat("file").st_size, os.fstat(f["file"]).st_size, pread("file"), content("file")]`, [2, 2, "12", "12"]);
  });

  test("a new file, directory and hard link are seen, and listed", async () => {
    writeFileSync(join(storage, "old"), "x");
    const look = await observe((await mountAs("shared", options)).mountpoint);
    expect(await look(`[there("file"), there("dir"), sorted(os.listdir("."))]`)).toEqual([false, false, ["old"]]);
    writeFileSync(join(storage, "file"), "new");
    mkdirSync(join(storage, "dir"));
    linkSync(join(storage, "old"), join(storage, "link"));
    await seen(look, `[there("file"), there("dir"), sorted(os.listdir("."))]`, [true, true, ["dir", "file", "link", "old"]]);
    await seen(look, `[content("file"), os.stat("old").st_nlink]`, ["new", 2]);
  });

  test("a deletion is seen; the file that is open stays readable, and listings no longer name it", async () => {
    writeFileSync(join(storage, "file"), "content");
    const look = await observe((await mountAs("shared", options)).mountpoint);
    expect(await look(`keep("file") and content("file")`)).toBe("content");
    unlinkSync(join(storage, "file"));
    await seen(look, `[there("file"), os.listdir(".")]`, [false, []]);
    expect(await look(`pread("file")`)).toBe("content");
    await seen(look, `os.fstat(f["file"]).st_nlink`, 0);
  });

  test("a rename is seen, of files and of directories, and what is open follows", async () => {
    mkdirSync(join(storage, "dir"));
    writeFileSync(join(storage, "dir/file"), "content");
    const look = await observe((await mountAs("shared", options)).mountpoint);
    expect(await look(`keep("dir/file") and content("dir/file")`)).toBe("content");
    renameSync(join(storage, "dir"), join(storage, "moved"));
    await seen(look, `[there("dir"), there("moved/file")]`, [false, true]);
    renameSync(join(storage, "moved/file"), join(storage, "out"));
    await seen(look, `[there("moved/file"), content("out") if there("out") else ""]`, [false, "content"]);
    appendFileSync(join(storage, "out"), "+");
    await seen(look, `pread("dir/file")`, "content+");
  });

  test("to set only the mtime of a file that was renamed outside is ENOENT by the old name, and done by the new one", async () => {
    writeFileSync(join(storage, "old"), "content");
    const look = await observe((await mountAs("shared", options)).mountpoint);
    expect(await look(`content("old")`)).toBe("content");
    renameSync(join(storage, "old"), join(storage, "new"));
    expect(await look(`set_mtime("old")`)).toBe(ERRNO.ENOENT);
    await seen(look, `there("new")`, true);
    expect(await look(`[content("new"), set_mtime("new"), os.stat("new").st_mtime]`)).toEqual(["content", 0, 1]);
  });

  test("a file replaced by rename is seen by name, and the one that was open stays the old one", async () => {
    writeFileSync(join(storage, "config"), "old");
    const look = await observe((await mountAs("shared", options)).mountpoint);
    expect(await look(`keep("config") and content("config")`)).toBe("old");
    for (let round = 0; round < 3; round += 1) {
      writeFileSync(join(storage, "config.tmp"), `new ${round}`);
      renameSync(join(storage, "config.tmp"), join(storage, "config"));
      await seen(look, `content("config")`, `new ${round}`);
      expect(await look(`pread("config")`)).toBe("old");
      await seen(look, `os.stat("config").st_ino`, Number(statSync(join(storage, "config")).ino));
    }
  });

  test("modes, times and a symlink's text are seen", async () => {
    writeFileSync(join(storage, "file"), "x");
    execFileSync("ln", ["-s", "one", join(storage, "link")]);
    const look = await observe((await mountAs("shared", options)).mountpoint);
    expect(await look(`os.readlink("link")`)).toBe("one");
    await look(`os.stat("file").st_mode`);
    execFileSync("chmod", ["0604", join(storage, "file")]);
    utimesSync(join(storage, "file"), 1000, 2000);
    execFileSync("ln", ["-sfn", "two", join(storage, "link")]);
    await seen(look, `["%o" % (os.stat("file").st_mode & 0o7777), os.stat("file").st_mtime, os.readlink("link")]`, ["604", 2000, "two"]);
  });

  test("extended attributes and access control lists are seen", async () => {
    const file = join(storage, "file");
    writeFileSync(file, "x");
    execFileSync("setfattr", ["-n", "user.a", "-v", "one", file]);
    execFileSync("setfacl", ["-m", "u:4712:r", file]);
    const look = await observe((await mountAs("shared")).mountpoint);
    const both = `[os.getxattr("file", "user.a").decode(), os.getxattr("file", "system.posix_acl_access").hex()]`;
    const before = (await look(both)) as string[];
    execFileSync("setfattr", ["-n", "user.a", "-v", "two", file]);
    execFileSync("setfacl", ["-m", "u:4712:rw", file]);
    // The kernel's cache of lists goes with that of the attributes: whoever asks for access asks for those.
    await seen(look, `os.stat("file").st_mode & 0o777`, 0o664);
    const after = (await look(both)) as string[];
    expect(after[0]).toBe("two");
    expect(after[1]).not.toBe(before[1]);
  });

  test("inode numbers, link counts and times are the storage's own", async () => {
    mkdirSync(join(storage, "dir"));
    writeFileSync(join(storage, "dir/file"), "x");
    linkSync(join(storage, "dir/file"), join(storage, "hard"));
    const { mountpoint } = await mountAs("shared", options);
    const program = `import os
for top, dirs, files in os.walk("."):
    for name in sorted(dirs + files) + ["."]:
        s = os.lstat(os.path.join(top, name))
        print(top, name, s.st_ino, s.st_nlink, s.st_mode, s.st_uid, s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_blocks)
`;
    expect(await python(mountpoint, program)).toBe(await python(storage, program));
  });
});

describe("exclusive", () => {
  const write = (finish: string): string => `import os
fd = os.open("file", os.O_RDWR | os.O_CREAT)
for n in range(200): os.pwrite(fd, b"%05d" % n * 1000, n * 5000)
${finish}
`;
  const whole = (): void => {
    const text = readFileSync(join(storage, "file"));
    assert.equal(text.length, 1_000_000);
    for (let n = 0; n < 200; n += 1) assert.equal(text.toString("latin1", n * 5_000, n * 5_000 + 5), String(n).padStart(5, "0"));
  };

  test.each(["os.fsync(fd)", "os.fdatasync(fd)", "os.close(fd)", "os.sync()", "os.fsync(os.open('file', os.O_RDONLY))"])(
    "after %s everything is in the storage",
    async (finish) => {
      const { mountpoint } = await mountAs("exclusive");
      // Held open by another process meanwhile, so that no close but the writer's own counts.
      const look = await observe(mountpoint);
      await python(mountpoint, write(finish));
      await look(`keep("file")`);
      whole();
    },
  );

  test("after msync what was stored in a mapping is in the storage", async () => {
    const { mountpoint } = await mountAs("exclusive");
    await python(
      mountpoint,
      `import mmap, os
fd = os.open("mapped", os.O_RDWR | os.O_CREAT); os.ftruncate(fd, 100000)
m = mmap.mmap(fd, 100000); m[99_999] = 65; m[5] = 66
m.flush()
with open(${JSON.stringify(join(storage, "mapped"))}, "rb") as below: text = below.read()
assert (len(text), text[99_999], text[5]) == (100_000, 65, 66)
`,
    );
  });

  test("after an unmount everything is in the storage, times included", async () => {
    const at = await mountAs("exclusive");
    await python(
      at.mountpoint,
      `${write("")}
os.close(fd)
os.utime("file", ns=(1_000_000_001, 2_000_000_002))
fd = os.open("mapped", os.O_RDWR | os.O_CREAT); os.ftruncate(fd, 100000)
import mmap
m = mmap.mmap(fd, 100000); m[99_999] = 65; m[5] = 66
`,
    );
    await at.unmount();
    whole();
    expect(statSync(join(storage, "file"), { bigint: true }).mtimeNs).toBe(2_000_000_002n);
    const mapped = readFileSync(join(storage, "mapped"));
    expect([mapped.length, mapped[99_999], mapped[5]]).toEqual([100_000, 65, 66]);
  });

  test("what was synced before the server is killed is in the storage, and what was closed as well", async () => {
    const at = await mountAs("exclusive");
    await python(at.mountpoint, write("os.close(fd)"));
    at.signal("SIGKILL");
    await deadline("end of the server", 10_000, at.ended);
    whole();
  });
});
