// A process that runs cases, one after the other as it is told, each in a directory of its own. It is never the process that serves,
// and its parent can name where it hangs.
import { mkdirSync } from "node:fs";
import { chdir, umask } from "node:process";
import { NotHere } from "./calls.ts";
import { cases } from "./cases/index.ts";

/** What the parent sends, and what it gets back. */
export interface Order {
  readonly title: string;
  /** Does not exist yet. */
  readonly directory: string;
}
export type Outcome = { readonly outcome: "passed" } | { readonly outcome: "failed" | "not here"; readonly reason: string };

async function run({ title, directory }: Order): Promise<Outcome> {
  try {
    const body = cases[title];
    if (body === undefined) throw new Error(`no case of this title: ${title}`);
    mkdirSync(directory);
    chdir(directory);
    await body(directory);
    return { outcome: "passed" };
  } catch (error) {
    if (error instanceof NotHere) return { outcome: "not here", reason: error.message };
    return { outcome: "failed", reason: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  } finally {
    chdir("/");
  }
}

umask(0o022);
process.on("message", (order: Order) => void run(order).then((outcome) => process.send?.(outcome)));
process.send?.("ready");
