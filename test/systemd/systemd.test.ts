// hmpersist.service under a real systemd, booted over this machine's root (boot.sh): twice on one disk, so that the second boot shows
// what came back. The checks run in the guest, in guest/*.sh; here each of their lines is a test.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluateText, makeState, noNix } from "../nix/nix.ts";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const BOOT_MS = 170_000;
const FORBIDDEN = 125;

/** Titles of the checks in a guest's script, in order. */
const titles = (script: string): string[] =>
  [...readFileSync(join(here, "guest", script), "utf8").matchAll(/^ *check "([^"]+)"/gm)].map(([, title]) => title ?? "");

let work = "";
let cannot: string | undefined;

function boot(script: string): Map<string, string> {
  for (const name of ["log", "code", "failed"]) rmSync(join(work, name), { force: true });
  const ran = spawnSync(join(here, "boot.sh"), [work, root, process.execPath, script], {
    encoding: "utf8",
    timeout: BOOT_MS,
    killSignal: "SIGTERM",
  });
  if (ran.status === FORBIDDEN) {
    cannot = ran.stderr.trim().split("\n").at(-1);
    console.log(`skipped: ${cannot ?? "forbidden"}`);
    return new Map();
  }
  const log = read("log");
  if (!log.endsWith("end\n")) throw new Error(`the guest did not finish\n${log}\n${ran.stderr}\n${read("console").slice(-3000)}`);
  return new Map(
    log.split("\n").flatMap((line) => {
      const [, verdict, title, output] = /^(ok|not ok) ([^:]+)(?:: (.*))?$/.exec(line) ?? [];
      return title === undefined ? [] : [[title, verdict === "ok" ? "ok" : (output ?? "")] as const];
    }),
  );
}

const read = (name: string): string => (existsSync(join(work, name)) ? readFileSync(join(work, name), "utf8") : "");

/** Home Manager's activation steps as the module makes them, for the configuration of the guest. */
function writeSteps(): void {
  if (noNix !== undefined) {
    console.log(`skipped, Home Manager's steps: ${noNix}`);
    return;
  }
  const state = makeState();
  const execute = "/guest/hmpersist";
  const expression = `(import ${join(root, "nix/lib.nix")}).activation { execute = "${execute}"; config = "/persist/hmpersist/jane.json"; systemctl = "/bin/systemctl"; bootstrap = "/x"; }`;
  const steps = evaluateText<Record<string, string>>(state, expression);
  mkdirSync(join(work, "steps"));
  for (const [name, text] of Object.entries(steps)) writeFileSync(join(work, `steps/${name}.sh`), text);
  rmSync(state, { recursive: true, force: true });
}

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "hmp-systemd-"));
  spawnSync("chmod", ["755", work]);
  writeSteps();
});

afterAll(() => rmSync(work, { recursive: true, force: true }));

describe.each(["first-boot.sh", "second-boot.sh"])("%s", (script) => {
  let results = new Map<string, string>();
  beforeAll(() => {
    if (cannot === undefined) results = boot(script);
  }, BOOT_MS + 10_000);

  it.for(titles(script))("%s", (title, { skip }) => {
    if (cannot !== undefined) return skip(cannot);
    if (noNix !== undefined && !results.has(title) && results.size > 0) return skip(noNix);
    expect(results.get(title) ?? "not reached", read("journal").slice(-6000)).toBe("ok");
  });
});
