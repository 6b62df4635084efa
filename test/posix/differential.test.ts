// The same random system calls, of about 70 kinds, on a plain directory and on a mount: every result, errno, stat field and byte is the same
// (fixtures/twin.py). HMPERSIST_DIFFERENTIAL_SECONDS for each target (3 unless told), HMPERSIST_DIFFERENTIAL_SEED to begin elsewhere.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { expect, test } from "vitest";
import { deadline } from "../helpers/deadline.ts";
import { withMount, type MountOptions } from "../helpers/mounted.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";

const NOBODY = 65_534;
const SECONDS = Number(env["HMPERSIST_DIFFERENTIAL_SECONDS"] ?? 3);
const SEED = env["HMPERSIST_DIFFERENTIAL_SEED"] ?? "1";
const LIMIT_MS = SECONDS * 1000 + 120_000;
const program = readFileSync(join(import.meta.dirname, "fixtures/twin.py"));

/** What is left out, and why (test/posix/README.md): the kernel sends nothing for O_PATH, and finds no holes where it has pages. */
const PATHS = "open path";
const HOLES = "holes";
/** With FUSE_PASSTHROUGH the kernel writes with the flags of the open, and takes set-ID bits that root's own write would leave. */
const BYPASS = "flags,set-id";

const targets: readonly (Omit<MountOptions, "source" | "engine"> & { readonly name: string; readonly without: string })[] = [
  { name: "shared, an ordinary user", cache: "shared", uid: NOBODY, without: `${PATHS},${HOLES}` },
  { name: "exclusive, an ordinary user", cache: "exclusive", uid: NOBODY, without: `${PATHS},${HOLES}` },
  { name: "shared, root", cache: "shared", allowOther: true, without: `${PATHS},${BYPASS}` },
  { name: "exclusive, root", cache: "exclusive", allowOther: true, without: `${PATHS},${BYPASS}` },
  {
    name: "exclusive, root, as on kernels before 6.9",
    cache: "exclusive",
    allowOther: true,
    passthrough: false,
    without: `${PATHS},${HOLES}`,
  },
];

test.each(targets)(
  "$name: random calls have the results they have on the storage itself",
  { timeout: LIMIT_MS + 60_000 },
  async (target) => {
    const { name, without, ...options } = target;
    const owner = target.uid === undefined ? {} : { uid: target.uid };
    const source = tempDirectory("twin", { base: SHM, ...owner });
    const plain = tempDirectory("twin-plain", { base: SHM, ...owner });
    try {
      await withMount({ ...options, engine: "kernel", source }, async (mountpoint, mounted) => {
        const identity = target.uid === undefined ? {} : { uid: target.uid, gid: target.uid };
        const args = ["-", plain, mountpoint, SEED, String(SECONDS), without];
        const child = spawn("/usr/bin/python3", args, { cwd: "/", stdio: ["pipe", "pipe", "pipe"], ...identity });
        let output = "";
        for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
        const end = new Promise<number | null>((resolve) => child.once("close", resolve));
        child.stdin.end(program);
        try {
          const code = await deadline(name, LIMIT_MS, end, mounted.stacks);
          expect(code, output).toBe(0);
        } finally {
          child.kill("SIGKILL");
        }
      });
    } finally {
      removeTree(source);
      removeTree(plain);
    }
  },
);
