// What goes wrong below arrives as the same errno above, the daemon stays up, and when the fault goes away so does the error.
import { execFileSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { outcome } from "../helpers/faults.ts";
import { withSandbox, type Sandbox } from "../helpers/sandbox.ts";

/** Runs `body` with a file system of 8 MiB as the storage, mounted over the home's `data`. */
const onSmallStorage = (
  name: string,
  make: (mountpoint: string, sandbox: Sandbox) => void,
  body: (sandbox: Sandbox, data: string) => Promise<void>,
  cache: "shared" | "exclusive" = "shared",
): Promise<void> =>
  // Through the page cache also where root could have files passed through.
  withSandbox(name, { env: { HMPERSIST_PASSTHROUGH: "0" } }, async (sandbox) => {
    const disk = join(sandbox.base, "disk");
    mkdirSync(disk);
    make(disk, sandbox);
    const persistence = { [disk]: { directories: [{ directory: "data", cache }] } };
    sandbox.writeConfig({ home: sandbox.home, engine: "kernel", persistence });
    expect(await sandbox.run(["mount", "--config", sandbox.configFile]), sandbox.log()).toMatchObject({ code: 0 });
    const { daemon } = await sandbox.status();
    await body(sandbox, join(sandbox.home, "data"));
    expect((await sandbox.status()).daemon?.pid).toBe(daemon?.pid);
    expect(await sandbox.run(["unmount"])).toMatchObject({ code: 0 });
  });

function ext4(disk: string, sandbox: Sandbox): void {
  const image = join(sandbox.base, "image");
  writeFileSync(image, "");
  truncateSync(image, 8 << 20);
  execFileSync("mkfs.ext4", ["-q", "-m", "0", image]);
  execFileSync("mount", ["-o", "loop", image, disk]);
}

const tmpfs = (disk: string): void => void execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]);

const FILL = `
f = os.open("big", os.O_WRONLY | os.O_CREAT)
try:
    while True: os.write(f, b"x" * 65536)
finally:
    os.close(f)
`;

test.each([
  ["ext4", ext4],
  ["tmpfs", tmpfs],
] as const)("a full %s answers ENOSPC, and takes data again once there is room", { timeout: 60_000 }, (_, make) =>
  onSmallStorage("full", make, async (sandbox, data) => {
    expect(await outcome(sandbox, data, FILL)).toBe("ENOSPC");
    expect(await outcome(sandbox, data, `os.unlink("big")`)).toBe("ok");
    expect(await outcome(sandbox, data, `f = open("later", "wb"); f.write(b"y" * 1000000); f.flush(); os.fsync(f.fileno())`)).toBe("ok");
  }),
);

test(
  "what the kernel writes back where there is room for a part only is ENOSPC to fsync, and never lost in silence",
  { timeout: 60_000 },
  () =>
    onSmallStorage(
      "writeback",
      tmpfs,
      async (sandbox, data) => {
        const write = (name: string, size: number): string =>
          `f = os.open("${name}", os.O_WRONLY | os.O_CREAT); os.write(f, b"x" * ${size}); os.fsync(f); os.close(f)`;
        expect(await outcome(sandbox, data, write("most", 15 << 19))).toBe("ok");
        // One WRITE request, of which about half fits.
        expect(await outcome(sandbox, data, write("rest", 1 << 20))).toBe("ENOSPC");
      },
      "exclusive",
    ),
);

test("a storage remounted read-only answers EROFS, reads go on, and writes work again after it", { timeout: 60_000 }, () =>
  onSmallStorage("readonly", ext4, async (sandbox, data) => {
    const disk = join(sandbox.base, "disk");
    const write = `f = open("note", "w"); f.write("kept"); f.close()`;
    expect(await outcome(sandbox, data, write)).toBe("ok");
    execFileSync("mount", ["-o", "remount,ro", disk]);
    expect(await outcome(sandbox, data, `open("other", "w")`)).toBe("EROFS");
    expect(await outcome(sandbox, data, `assert open("note").read() == "kept"`)).toBe("ok");
    execFileSync("mount", ["-o", "remount,rw", disk]);
    expect(await outcome(sandbox, data, `open("other", "w").close()`)).toBe("ok");
  }),
);
