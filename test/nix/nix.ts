// Running Nix's evaluator for a test. Nothing is built and no store is written to: expressions read files and give JSON.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
export const tests = join(root, "nix/tests");

/** Why Nix expressions cannot be evaluated here; undefined if they can. */
export const noNix =
  spawnSync("nix-instantiate", ["--version"]).status === 0 ? undefined : "nix-instantiate (Debian: nix-bin) is not installed";

// Empty is unset.
const nixpkgsLib = process.env["HMPERSIST_NIXPKGS_LIB"] || undefined;
/** A source tree of Home Manager; several, separated by ":", are each tried. */
export const homeManagers = (process.env["HMPERSIST_HOME_MANAGER"] ?? "").split(":").filter((path) => path !== "");

export const noLib = noNix ?? (nixpkgsLib === undefined ? "HMPERSIST_NIXPKGS_LIB names no nixpkgs lib" : undefined);
export const noHomeManager = noLib ?? (homeManagers.length === 0 ? "HMPERSIST_HOME_MANAGER names no Home Manager" : undefined);

// No daemon, no substituters, no store of the machine: an evaluation needs a store only by name.
const environment = (state: string): NodeJS.ProcessEnv => ({
  ...process.env,
  NIX_STATE_DIR: state,
  NIX_REMOTE: `local?root=${state}`,
  HOME: state,
});

/** A directory for an evaluator's own files and for what stands where nixpkgs would. The caller removes it. */
export function makeState(): string {
  const state = mkdtempSync(join(tmpdir(), "hmp-nix-"));
  const misc = join(state, "nixpkgs/nixos/modules/misc");
  mkdirSync(misc, { recursive: true });
  cpSync(join(tests, "stub-nixpkgs"), misc, { recursive: true });
  if (nixpkgsLib !== undefined && existsSync(nixpkgsLib)) symlinkSync(nixpkgsLib, join(state, "nixpkgs/lib"));
  return state;
}

/** The value of the Nix file `file` called with `args`, as JSON has it. */
export function evaluate<T>(state: string, file: string, args: Record<string, string> = {}): T {
  return run(state, [file, ...Object.entries(args).flatMap(([name, value]) => ["--argstr", name, value])]);
}

/** The value of an expression. */
export const evaluateText = <T>(state: string, expression: string): T => run(state, ["--expr", expression]);

function run<T>(state: string, words: readonly string[]): T {
  const command = ["--eval", "--strict", "--json", "--read-write-mode", ...words];
  const json = execFileSync("nix-instantiate", command, { env: environment(state), encoding: "utf8", timeout: 120_000, stdio: "pipe" });
  return JSON.parse(json) as T;
}

export const parses = (file: string): boolean => spawnSync("nix-instantiate", ["--parse", file], { stdio: "ignore" }).status === 0;
