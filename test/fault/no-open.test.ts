// Without OPEN (src/fuse/README.md) files are open without a descriptor of the server's, until they have no name.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { withMount } from "../helpers/mounted.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";

// What is open and has no name needs a descriptor; what cannot have one keeps its name, and nothing is lost.
const UNLINK_OPEN = `
import errno, os
held = []
for n in range(600):
    held.append(os.open("open%d" % n, os.O_CREAT | os.O_RDWR | os.O_DSYNC, 0o600))
    os.write(held[n], b"%d" % n)
refused = 0
for n in range(600):
    try: os.unlink("open%d" % n)
    except OSError as e:
        assert e.errno == errno.EMFILE, e
        refused += 1
assert refused == 450, refused
assert len(os.listdir(".")) == refused
for n, fd in enumerate(held):
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    assert os.pread(fd, 100, 0) == b"%d" % n
    os.pwrite(fd, b"again", 0)
for fd in held: os.close(fd)
for name in os.listdir("."): os.unlink(name)
assert os.listdir(".") == []
`;

test(
  "without OPEN any number of files is open; one that cannot be kept without its name is not unlinked",
  { timeout: 120_000 },
  async () => {
    const [source, uid] = [tempDirectory("no-open", { base: SHM, uid: 65_534 }), 65_534];
    try {
      await withMount({ engine: "kernel", cache: "exclusive", source, uid, nofile: 300 }, async (mountpoint) => {
        const args = [
          "--reuid",
          String(uid),
          "--regid",
          String(uid),
          "--clear-groups",
          "sh",
          "-c",
          'cd "$1" && exec python3 -c "$2"',
          "sh",
        ];
        const child = spawn("setpriv", [...args, mountpoint, UNLINK_OPEN], { stdio: ["ignore", "ignore", "pipe"] });
        let errors = "";
        child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
        const [code] = (await once(child, "close")) as [number | null];
        expect([code, errors]).toEqual([0, ""]);
      });
    } finally {
      removeTree(source);
    }
  },
);
