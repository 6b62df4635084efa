// npm run fuzz -- [--minutes N] [FILE...]: all properties, N minutes (default 10) in all.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({ options: { minutes: { type: "string", default: "10" } }, allowPositionals: true });
const files = readdirSync(import.meta.dirname).filter(
  (name) => name.endsWith(".test.ts") && (positionals.length === 0 || positionals.some((one) => name.includes(one))),
);
const count = (name) => readFileSync(join(import.meta.dirname, name), "utf8").match(/\bfuzz\(\n? +fc\.|\bfuzz\(fc\./g)?.length ?? 0;
// The sessions run once for each way of caching.
const properties = files.reduce((sum, name) => sum + count(name) * (name.startsWith("requests") ? 2 : 1), 0);
const HMPERSIST_FUZZ_SECONDS = String(Math.max(1, Math.round((Number(values.minutes) * 60) / Math.max(properties, 1))));
console.log(`${properties} properties, ${HMPERSIST_FUZZ_SECONDS} s each`);
const { status } = spawnSync("npx", ["vitest", "run", "--project", "fuzz", ...positionals], {
  stdio: "inherit",
  env: { ...process.env, HMPERSIST_FUZZ_SECONDS },
});
process.exit(status ?? 1);
