// The table of dependencies in SECURITY.md against package.json and the lock file.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const json = (file: string): unknown => JSON.parse(readFileSync(join(ROOT, file), "utf8"));

interface Locked {
  readonly license?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly integrity?: string;
}

const REVIEWED = [
  ...readFileSync(join(ROOT, "SECURITY.md"), "utf8").matchAll(/^\| `([^`]+)` \| (.+) \| (.+) \| (.+) \| (yes|no) \|$/gm),
].map(([, name = "", why = "", licence = "", installs = "", native = ""]) => ({ name, why, licence, installs, native }));
const LOCKED = Object.entries((json("package-lock.json") as { packages: Record<string, Locked> }).packages).filter(
  ([path, { dev }]) => path !== "" && dev !== true,
);

describe("8. Dependencies are few and reviewed.", () => {
  test("exactly those of the table, each with its licence", () => {
    const { dependencies, optionalDependencies } = json("package.json") as Record<string, Record<string, string>>;
    const wanted = Object.keys({ ...dependencies, ...optionalDependencies });
    expect(REVIEWED.map(({ name }) => name).sort()).toEqual(wanted.sort());
    for (const { name, licence, why } of REVIEWED) {
      expect(LOCKED.find(([path]) => path === `node_modules/${name}`)?.[1].license, name).toBe(licence);
      expect(why.length).toBeGreaterThan(5);
    }
  });

  test("nothing else runs when it is installed, and all are pinned by a hash under a permissive licence", () => {
    const scripts = LOCKED.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([path]) =>
      path.replace("node_modules/", ""),
    );
    expect(scripts.sort()).toEqual(
      REVIEWED.filter(({ installs }) => installs !== "nothing")
        .map(({ name }) => name)
        .sort(),
    );
    for (const [path, { integrity, license }] of LOCKED) {
      expect(integrity, path).toMatch(/^sha512-/);
      expect(["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "0BSD", "(MIT OR CC0-1.0)"], path).toContain(license);
    }
  });
});
