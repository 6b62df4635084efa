// Runs fixtures/keeper.mjs and lets a test wait for what it says.
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { LinkStatus } from "../../src/link/types.ts";
import type { LinkSpec } from "../../src/plan/types.ts";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import type { Grounds } from "./place.ts";

const FIXTURE = fileURLToPath(new URL("fixtures/keeper.mjs", import.meta.url));

export interface Said {
  readonly message: string;
  readonly level?: string;
  readonly link?: string;
  readonly reason?: string;
  readonly status?: readonly LinkStatus[];
}

export class KeeperProcess {
  readonly said: Said[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  /** @param wrap what runs the fixture; another program than node ends its arguments with node's path */
  constructor(
    grounds: Pick<Grounds, "home" | "state">,
    specs: readonly LinkSpec[],
    wrap = process.execPath,
    wrapArguments: readonly string[] = [],
  ) {
    const options = JSON.stringify({ home: grounds.home, stateDir: grounds.state, specs });
    this.#child = spawn(wrap, [...wrapArguments, FIXTURE, options], { stdio: ["pipe", "pipe", "inherit"] });
    this.#exited = new Promise((resolve) => this.#child.once("exit", resolve));
    createInterface({ input: this.#child.stdout ?? process.stdin }).on("line", (line) => this.said.push(JSON.parse(line) as Said));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Waits until it said `message` (about `link`) at least `times` times. */
  heard(message: string, link?: string, times = 1): Promise<Said> {
    const found = (): Said | undefined =>
      this.said.filter((said) => said.message === message && (link === undefined || said.link === link))[times - 1];
    const dump = (): string => `${this.said.map((said) => JSON.stringify(said)).join("\n")}\n${kernelStacks(this.pid)}`;
    return until(`the keeper saying "${message}" about ${link ?? "anything"}`, 20_000, found, dump);
  }

  async status(): Promise<readonly LinkStatus[]> {
    const before = this.said.filter((said) => said.message === "status").length;
    this.#child.stdin?.write("status\n");
    return (await this.heard("status", undefined, before + 1)).status ?? [];
  }

  async end(signal: NodeJS.Signals = "SIGTERM", ms = 20_000): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    await deadline("the keeper ending", ms, this.#exited, () => kernelStacks(this.pid));
  }
}
