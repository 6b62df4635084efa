// The mount table as anybody who may mount can make it look: any bytes in names, any options, thousands of mounts.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseMountinfo } from "../../src/sys/mountinfo.ts";
import { fuzz, TIMEOUT_MS } from "./fuzz.ts";

/** As the kernel writes a name (show_path, mangle_path): these four bytes as octal escapes, all others as they are. */
const written = (name: Buffer): string =>
  name.toString("latin1").replaceAll(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);

const bytes = fc.uint8Array({ minLength: 1, maxLength: 60 }).map((array) => Buffer.from(array.filter((byte) => byte !== 0)));
const name = fc.oneof(
  bytes,
  fc.string({ unit: "binary", maxLength: 40 }).map((text) => Buffer.from(text.replaceAll("\0", ""))),
);
const options = fc.array(fc.constantFrom("rw", "nosuid", "nodev", "relatime", "user_id=0", "default_permissions"), {
  minLength: 1,
  maxLength: 5,
});
const mount = fc.record({
  id: fc.nat(),
  root: name,
  mountpoint: name,
  source: name,
  optional: fc.array(fc.constantFrom("shared:1", "master:2", "propagate_from:3", "unbindable"), { maxLength: 3 }),
  options,
  superOptions: options,
});

const lineOf = (one: typeof mount extends fc.Arbitrary<infer T> ? T : never): string =>
  [
    String(one.id),
    "1",
    "0:48",
    written(one.root),
    written(one.mountpoint),
    one.options.join(","),
    ...one.optional,
    "-",
    "fuse.hmpersist",
    written(one.source),
    one.superOptions.join(","),
  ].join(" ");

describe("7. Input is checked before it is used.", () => {
  test("fuzz: what the kernel writes is read as it was meant, whatever the names", { timeout: TIMEOUT_MS }, () =>
    fuzz(
      fc.property(fc.array(mount, { maxLength: 10 }), (mounts) => {
        const found = parseMountinfo(mounts.map((one) => `${lineOf(one)}\n`).join(""));
        expect(found).toEqual(
          mounts.map((one) => ({
            id: one.id,
            parent: 1,
            device: "0:48",
            root: one.root.toString("utf8"),
            mountpoint: one.mountpoint.toString("utf8"),
            options: one.options,
            type: "fuse.hmpersist",
            source: one.source.toString("utf8"),
            superOptions: one.superOptions,
          })),
        );
      }),
    ),
  );

  test("fuzz: whatever else is in there never throws, and what is whole is still read", { timeout: TIMEOUT_MS }, () => {
    const piece = fc.oneof(
      fc.constantFrom(" ", "-", "\n", "\\", "\\0", "\\999", "\\040", "36", "0:48", "/", ",", "fuse.hmpersist"),
      fc.string({ unit: "binary" }),
    );
    const whole = "36 35 0:48 / /home/a rw - fuse.hmpersist /storage rw";
    return fuzz(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const found = parseMountinfo(`${pieces.join("")}\n${whole}\n${pieces.join(" ")}`);
        expect(found.filter(({ id, source }) => id === 36 && source === "/storage")).not.toEqual([]);
        for (const one of found)
          expect([typeof one.mountpoint, typeof one.source, typeof one.type]).toEqual(["string", "string", "string"]);
      }),
    );
  });

  test("ten thousand mounts and a line of a mebibyte", () => {
    const many = Array.from(
      { length: 10_000 },
      (_, id) => `${id} 1 0:48 / /home/m\\040${id} rw shared:1 - fuse.hmpersist /s/${id} rw,user_id=0`,
    );
    const long = `7 1 0:48 / /home/${"\\040x".repeat(200_000)} rw - fuse.hmpersist /long rw`;
    const found = parseMountinfo([...many, long, " ".repeat(1 << 20), "\\".repeat(1 << 20)].join("\n"));
    expect(found).toHaveLength(10_001);
    expect(found[9_999]?.mountpoint).toBe("/home/m 9999");
    expect(found.at(-1)?.mountpoint.length).toBe("/home/".length + 400_000);
  });
});
