// The soak for a short while, by each kind of user, and the proof that its models are true: the same clients on plain directories.
// HMPERSIST_SOAK_MINUTES (2) is the time of all three together, HMPERSIST_SOAK_SEED (1) their chance.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";
import { makeOptions } from "./options.ts";
import { Soak } from "./soak.ts";
import { summary } from "./summary.ts";

const MINUTES = Number(process.env["HMPERSIST_SOAK_MINUTES"] ?? 2);
const SEED = Number(process.env["HMPERSIST_SOAK_SEED"] ?? 1);
const OPERATIONS = 1_000;
const CHECKOUT = join(import.meta.dirname, "../..");

test("the clients' models are what plain directories do", { timeout: 60_000 }, () => {
  // On two file systems, as no rename leads from one mount to another.
  const bases = [tempDirectory("model", { base: SHM }), tempDirectory("model")];
  try {
    const roots = bases.map((base) => ({ path: join(base, "own"), disk: false, writeback: false }));
    const shared = join(bases[0] ?? "", "shared");
    mkdirSync(shared);
    const places = { roots, shared: [{ path: shared, disk: false }], clients: ["client-0"] };
    const order = { name: "client-0", seed: SEED, paceMs: 0, operations: OPERATIONS, ...places };
    const program = join(CHECKOUT, "test/soak/client/client.py");
    const said = execFileSync("python3", [program, JSON.stringify(order)], { encoding: "utf8", maxBuffer: 1 << 26 });
    const { done } = JSON.parse(said.trim().split("\n").at(-1) ?? "") as { done?: { operations: number; lost: number } };
    expect(done).toMatchObject({ operations: OPERATIONS, lost: 0 });
  } finally {
    bases.forEach(removeTree);
  }
});

// A run that settles, or has something to tell, takes longer than the time it works.
test.each(["root", "cached", "user"] as const)("as %s", { timeout: MINUTES * 60_000 + 600_000 }, async (as) => {
  const options = makeOptions({ minutes: MINUTES / 3, seed: SEED, as });
  const figures = await new Soak(options, CHECKOUT, () => {}).run();
  process.stdout.write(`${summary(options, figures)}\n`);
  expect(figures.operations).toBeGreaterThan(0);
});
