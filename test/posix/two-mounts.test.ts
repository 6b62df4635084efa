// What goes from one mount to another, which are two filesystems to the kernel even where both lie in one storage.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, test } from "vitest";
import { withMount } from "../helpers/mounted.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";
import { python } from "./calls.ts";

let storage = "";
beforeAll(() => {
  storage = tempDirectory("two-mounts", { base: SHM });
  mkdirSync(join(storage, "from"));
  mkdirSync(join(storage, "to"));
});
afterAll(() => removeTree(storage));

test.each(["shared", "exclusive"] as const)(
  "%s: copies go from mount to mount, by copy_file_range, sendfile and mv; rename and link are EXDEV",
  async (cache) => {
    const options = { engine: "kernel", cache, passthrough: false } as const;
    await withMount({ ...options, source: join(storage, "from") }, (from) =>
      withMount({ ...options, source: join(storage, "to") }, (to) =>
        python(
          "/",
          `import errno, os, subprocess, sys
a, b = sys.argv[1:]
text = os.urandom(3_000_000)
with open(a + "/file", "wb") as f: f.write(text)
source, target = os.open(a + "/file", os.O_RDONLY), os.open(b + "/copied", os.O_RDWR | os.O_CREAT)
at = 0
while at < len(text): at += os.copy_file_range(source, target, len(text) - at, at, at)
assert os.copy_file_range(source, target, 100, at, at) == 0
assert open(b + "/copied", "rb").read() == text
target = os.open(b + "/sent", os.O_RDWR | os.O_CREAT)
at = 0
while at < len(text): at += os.sendfile(target, source, at, len(text) - at)
assert open(b + "/sent", "rb").read() == text
for call in (os.rename, os.link):
    try: call(a + "/file", b + "/" + call.__name__); raise SystemExit(call.__name__)
    except OSError as e: assert e.errno == errno.EXDEV, e
os.setxattr(a + "/file", "user.a", b"1"); os.utime(a + "/file", ns=(10**18 + 1, 10**18 + 2)); os.chmod(a + "/file", 0o640)
subprocess.check_call(["mv", a + "/file", b + "/moved"])
s = os.stat(b + "/moved")
assert (s.st_mode & 0o7777, s.st_mtime_ns, os.getxattr(b + "/moved", "user.a")) == (0o640, 10**18 + 2, b"1"), s
assert not os.path.exists(a + "/file") and open(b + "/moved", "rb").read() == text
`,
          from,
          to,
        ),
      ),
    );
  },
);
