// Numbers: many files open, many processes at once, deep trees.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { NotHere, python, type Cases } from "../calls.ts";

export const many: Cases = {
  "5,000 files are open at once, each readable and writable": async (directory) => {
    const out = await python(
      directory,
      `import os, resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if hard != resource.RLIM_INFINITY and hard < 5100: print("limit", hard); raise SystemExit(0)
resource.setrlimit(resource.RLIMIT_NOFILE, (5100 if hard < 5100 or hard == resource.RLIM_INFINITY else hard, hard))
fds = [os.open("f%d" % n, os.O_RDWR | os.O_CREAT) for n in range(5000)]
for n, fd in enumerate(fds): os.pwrite(fd, b"%d" % n, 0)
for n, fd in enumerate(fds): assert os.pread(fd, 10, 0) == b"%d" % n
for n in range(0, 5000, 2): os.unlink("f%d" % n)
for n, fd in enumerate(fds): assert os.pread(fd, 10, 0) == b"%d" % n and os.fstat(fd).st_nlink == n % 2
for fd in fds: os.close(fd)
print(len(os.listdir(".")))
`,
    );
    if (out.startsWith("limit")) throw new NotHere(`a process may open only ${out.slice(6)} files`);
    assert.equal(out, "2500");
  },
  "64 processes work at the same time, each in its own tree and all in one": async (directory) => {
    mkdirSync(`${directory}/common`);
    const out = await python(
      directory,
      `import os, sys
def work(me):
    os.mkdir("p%d" % me)
    for n in range(25):
        name = "p%d/f%d" % (me, n)
        with open(name, "w") as f: f.write(name * 20)
        assert open(name).read() == name * 20
        os.rename(name, "common/%d-%d" % (me, n))
        os.stat("common"); os.listdir("p%d" % me)
        if n % 5 == 0: os.unlink("common/%d-%d" % (me, n))
    os.rmdir("p%d" % me)
children = []
for me in range(64):
    pid = os.fork()
    if pid == 0:
        try: work(me); os._exit(0)
        except BaseException as e: sys.stderr.write(repr(e)); os._exit(1)
    children.append(pid)
print(sum(os.waitpid(pid, 0)[1] != 0 for pid in children), len(os.listdir("common")), len(os.listdir(".")))
`,
    );
    assert.equal(out, "0 1280 1");
  },
  "a tree 500 directories deep is made, walked and removed": async (directory) => {
    await python(
      directory,
      `import os
for n in range(500):
    os.mkdir("d"); os.chdir("d")
open("leaf", "w").write("x")
for n in range(500): os.chdir("..")
assert os.listdir(".") == ["d"]
`,
    );
    rmSync(`${directory}/d`, { recursive: true });
    assert.deepEqual(readdirSync(directory), []);
  },
  "a tree of 3,000 files is removed while another process lists it": async (directory) => {
    for (let outer = 0; outer < 30; outer += 1) {
      mkdirSync(`${directory}/tree/${outer}`, { recursive: true });
      for (let index = 0; index < 100; index += 1) writeFileSync(`${directory}/tree/${outer}/${index}`, "");
    }
    const walker = python(
      directory,
      `import os
while os.path.exists("tree"):
    for top, dirs, files in os.walk("tree"):
        for name in files:
            try: os.stat(os.path.join(top, name))
            except FileNotFoundError: pass
`,
    );
    await python(directory, `import shutil; shutil.rmtree("tree")`);
    await walker;
    assert.equal(statSync(directory).nlink, 2);
  },
};
