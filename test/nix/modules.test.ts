// The modules on a given nixpkgs lib: what each case becomes is compared with a file in nix/tests/expected, with stubs of Home Manager
// and with every real Home Manager named. HMPERSIST_UPDATE=1 writes the expectations anew.
import { execFileSync, spawnSync, type SpawnSyncReturns } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate, evaluateText, homeManagers, makeState, noHomeManager, noLib, root, tests } from "./nix.ts";

interface Evaluated {
  readonly file: { readonly persistence: Record<string, { directories: unknown[]; files: unknown[] }> } | null;
  readonly unit: Record<string, Record<string, unknown>> | null;
  readonly refused: string[];
  readonly activation: Record<string, { after: string[]; before: string[]; data: string }>;
  readonly packages: string[];
  readonly order: string[];
}

/** What NixOS says in a case; no entry: standalone. */
const OS: Record<string, unknown> = {
  "allow-other-default": { programs: { fuse: { userAllowOther: true } } },
  "refused-owner": { programs: { fuse: { userAllowOther: false } } },
};

const cases = readdirSync(join(tests, "cases")).map((name) => basename(name, ".nix"));
let state = "";
beforeAll(() => {
  state = makeState();
});
afterAll(() => rmSync(state, { recursive: true, force: true }));

function run(name: string, homeManager = ""): Evaluated {
  const osConfig = OS[name] === undefined ? "" : JSON.stringify(OS[name]);
  return evaluate(state, join(tests, "evaluate.nix"), {
    nixpkgs: join(state, "nixpkgs"),
    case: join(tests, "cases", `${name}.nix`),
    homeManager,
    osConfig,
  });
}

function expectation(name: string, found: Evaluated): unknown {
  const path = join(tests, "expected", `${name}.json`);
  const { file, unit, refused } = found;
  if (process.env["HMPERSIST_UPDATE"] === "1") writeFileSync(path, `${JSON.stringify({ file, unit: unit !== null, refused }, null, 2)}\n`);
  return JSON.parse(readFileSync(path, "utf8"));
}

const counts = ({ file }: Evaluated): [number, number] => {
  const storages = Object.values(file?.persistence ?? {});
  return [storages.flatMap((one) => one.directories).length, storages.flatMap((one) => one.files).length];
};

if (noLib !== undefined) console.log(`skipped: ${noLib}`);
else if (noHomeManager !== undefined) console.log(`skipped with real Home Manager: ${noHomeManager}`);

describe.skipIf(noLib !== undefined)("home-manager.nix with stubs", () => {
  it.each(cases)("%s", (name) => {
    const found = run(name);
    const { file, unit, refused } = found;
    expect({ file, unit: unit !== null, refused }).toEqual(expectation(name, found));
  });

  it("makes 22 mounts and 59 links of the wiki's example", () => {
    const found = run("wiki");
    expect(counts(found)).toEqual([22, 59]);
    expect(found.refused).toEqual([]);
    const { persistence } = JSON.parse(readFileSync(join(root, "test/fixtures/wiki.json"), "utf8")) as { persistence: unknown };
    expect(found.file?.persistence).toEqual(persistence);
  });

  it("makes 2 mounts and 1 link of the smallest example", () => expect(counts(run("simple"))).toEqual([2, 1]));

  it("takes allowOther from NixOS where it is not set", () => {
    expect(run("allow-other-default").file?.persistence["/persistent/home/jane"]).toMatchObject({ allowOther: true });
  });

  it("does nothing at all while nothing is enabled", () => {
    expect(run("inert")).toMatchObject({ file: null, unit: null, activation: {}, packages: [] });
  });

  it("calls the program by its absolute path and mounts before the files are checked", () => {
    const { activation } = run("simple");
    expect(activation["hmpersistMount"]?.before).toEqual(["checkLinkTargets"]);
    for (const { data } of Object.values(activation)) {
      for (const [, word] of data.matchAll(/^\s*('?\S*hmpersist'?)(?= |')/gm)) expect(word).toMatch(/^'\/nix\/store\//);
      expect(() => execFileSync("bash", ["-n"], { input: data })).not.toThrow();
    }
  });

  it("ships the configuration to where a unit outside the home finds it, before that is started", () => {
    const { activation } = run("spellings");
    expect(activation["hmpersistBootstrap"]).toMatchObject({ after: ["writeBoundary"], before: ["hmpersistHandOver"] });
    expect(activation["hmpersistBootstrap"]?.data).toContain("/persistent/hmpersist/jane/config.json");
  });
});

describe.skipIf(noHomeManager !== undefined).each(homeManagers)("home-manager.nix with %s", (homeManager) => {
  // `home.file.<name>.enable` came with 23.05.
  const canTurnOff = readFileSync(join(homeManager, "modules/lib/file-type.nix"), "utf8").includes("enable = ");
  it.each(cases.filter((name) => name !== "home-file-off" || canTurnOff))("%s is what it is with stubs", (name) => {
    const { order, ...found } = run(name, homeManager);
    const { order: _, ...stubbed } = run(name);
    // Where the units are written is the only thing that differs: real releases find systemctl in the store.
    const path = /'[^']*systemctl'/g;
    expect(JSON.parse(JSON.stringify(found).replace(path, "systemctl"))).toMatchObject(
      JSON.parse(JSON.stringify(stubbed).replace(path, "systemctl")),
    );
    expect(order.length).toBeGreaterThan(0);
  });

  it("orders the steps: mount, check, write, hand over, reload, start", () => {
    const { order } = run("spellings", homeManager);
    const steps = [
      "hmpersistMount",
      "checkLinkTargets",
      "writeBoundary",
      "linkGeneration",
      "hmpersistHandOver",
      "reloadSystemd",
      "hmpersistStart",
    ];
    expect(order.filter((name) => steps.includes(name))).toEqual(steps);
  });
});

describe.skipIf(noLib !== undefined)("nixos.nix", () => {
  const nixos = (name: string, args: Record<string, string> = {}) =>
    evaluate<{
      fuse: Record<string, boolean>;
      service: { serviceConfig: Record<string, unknown>; unitConfig: Record<string, unknown>; wantedBy: string[] } | null;
      tmpfiles: string[];
      sharedModules: number;
      users: Record<string, { unit: unknown; refused: string[] }>;
    }>(state, join(tests, "evaluate-nixos.nix"), {
      nixpkgs: join(state, "nixpkgs"),
      case: join(tests, "nixos-cases", `${name}.nix`),
      ...args,
    });

  it("turns on what the users need and puts the unit and their configuration outside the homes", () => {
    const { fuse, service, tmpfiles, sharedModules, users } = nixos("full");
    expect(fuse).toEqual({ enable: true, userAllowOther: true });
    expect(sharedModules).toBe(2);
    expect(service?.wantedBy).toEqual(["paths.target"]);
    expect(service?.serviceConfig["ExecStart"]).toMatch(/ mount --foreground --config \/persistent\/hmpersist\/%u\/config\.json$/);
    expect(service?.unitConfig).toMatchObject({ DefaultDependencies: false, ConditionPathExists: "/persistent/hmpersist/%u/config.json" });
    expect(tmpfiles).toEqual([
      "d /persistent/hmpersist 0755 root root - -",
      "d /persistent/hmpersist/jane 0755 root root - -",
      expect.stringMatching(/^L\+ \/persistent\/hmpersist\/jane\/config\.json - - - - \/nix\/store\/.*hmpersist\.json$/),
      "r /persistent/hmpersist/carol/config.json",
      "d /persistent/hmpersist/bob 0700 bob - - -",
    ]);
    // The unit is NixOS's, so jane may persist all of ~/.config.
    expect(users["jane"]).toEqual({ unit: null, refused: [] });
    expect(users["carol"]).toEqual({ unit: null, refused: [] });
  });

  it("takes away the configuration of a user who persists nothing any more, and no other", ({ skip }) => {
    const base = mkdtempSync(join(tmpdir(), "hmp-tmpfiles-"));
    const apply = (name: string): SpawnSyncReturns<string> =>
      spawnSync("systemd-tmpfiles", ["--create", "--remove", `--root=${base}`, "-"], {
        input: `${nixos(name).tmpfiles.join("\n")}\n`,
        encoding: "utf8",
      });
    const configs = (): string[] =>
      readdirSync(join(base, "persistent"), { recursive: true, encoding: "utf8" })
        .filter((path) => path.endsWith("config.json"))
        .sort();
    try {
      mkdirSync(join(base, "etc"));
      writeFileSync(join(base, "etc/passwd"), "root:x:0:0::/root:/bin/sh\nbob:x:4243:4243::/home/bob:/bin/sh\n");
      writeFileSync(join(base, "etc/group"), "root:x:0:\nbob:x:4243:\n");
      const first = apply("full");
      if (first.error !== undefined) return skip(`systemd-tmpfiles: ${first.error.message}`);
      writeFileSync(join(base, "persistent/hmpersist/bob/config.json"), "{}");
      expect([first.stderr, configs()]).toEqual(["", ["hmpersist/bob/config.json", "hmpersist/jane/config.json"]]);
      expect([apply("forgetting").stderr, configs()]).toEqual(["", ["hmpersist/bob/config.json"]]);
    } finally {
      rmSync(base, { recursive: true });
    }
  });

  it("says what NixOS forbids, where it forbids allowOther", () => {
    expect(nixos("refused-allow-other")).toMatchObject({
      fuse: { userAllowOther: false },
      users: { jane: { refused: [expect.stringContaining("programs.fuse.userAllowOther is false")] } },
    });
  });

  it("leaves the units to Home Manager without the bootstrap", () => {
    const { fuse, service, tmpfiles, users } = nixos("plain");
    expect(fuse).toEqual({ enable: true, userAllowOther: false });
    expect(service).toBeNull();
    expect(tmpfiles).toEqual([]);
    expect(users["jane"]?.unit).not.toBeNull();
  });

  it("lets a user import the module that is there already", () => {
    expect(nixos("imported-twice").users["jane"]).toEqual({ unit: null, refused: [] });
  });

  it("does without programs.fuse.enable where NixOS has no such option", () => {
    expect(nixos("plain", { fuseEnable: "" }).fuse).toEqual({ userAllowOther: false });
  });
});

describe.skipIf(noLib !== undefined)("package.nix", () => {
  it.each(["x86_64-linux", "aarch64-linux"])("evaluates for %s with the committed hash", (system) => {
    const expression = `
      let
        lib = import ${join(state, "nixpkgs/lib")};
        package = import ${join(root, "nix/package.nix")} {
          inherit lib;
          stdenv = {
            mkDerivation = attrs: attrs // { outPath = if attrs ? outputHash then attrs.outputHash else "/nix/store/package"; };
            hostPlatform = { system = "${system}"; isAarch64 = "${system}" == "aarch64-linux"; };
            cc.cc.lib = "/nix/store/libstdcxx";
          };
          nodejs = "/nix/store/node";
          cacert = "";
          autoPatchelfHook = "";
          makeWrapper = "";
        };
      in { inherit (package) pname version buildPhase; inherit (package.meta) mainProgram platforms; }`;
    const hashes = JSON.parse(readFileSync(join(root, "nix/node-modules-hashes.json"), "utf8")) as Record<string, string>;
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    const found = evaluateText<Record<string, unknown>>(state, expression);
    expect(found).toMatchObject({ pname: "hmpersist", version, mainProgram: "hmpersist" });
    expect(found["platforms"]).toContain(system);
    expect(found["buildPhase"]).toContain(hashes[system]);
  });
});
