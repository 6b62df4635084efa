// The clients of a soak as processes: started, told to pause and go on, listened to, and watched for standing still.
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { deadline, kernelStacks } from "../helpers/deadline.ts";
import type { Random } from "./random.ts";
import type { Scene } from "./scene.ts";

/** What the storage called disk does at this time: the one errno that clients may meet there. */
export type Window = "" | "EROFS" | "ENOSPC";

export interface Tree {
  readonly path: string;
  readonly tree: unknown;
}

/** What a client says at its end. */
export interface Account {
  readonly operations: number;
  readonly bytes: number;
  /** Operations that met the errno of a window. */
  readonly refused: number;
  /** Open files without a name that ended with a server. */
  readonly lost: number;
  readonly trees: readonly Tree[];
  readonly shared: readonly { readonly path: string; readonly sequence: number; readonly increments: number; readonly lines: number }[];
  readonly links: readonly { readonly target: string; readonly digest: string }[];
}

interface Message {
  readonly ready?: true;
  readonly paused?: true;
  readonly done?: Account;
  readonly lost?: number;
  readonly since?: number;
  readonly how?: string;
  readonly failed?: { readonly at: number; readonly wrong: string; readonly history: readonly string[]; readonly started: number };
}

/** Every operation ends sooner than this, whatever is done to the server meanwhile. */
const STALL_MS = 60_000;
const PAUSE_MS = 120_000;

export class Client {
  readonly name: string;
  readonly child: ChildProcess;
  account: Account | undefined;
  /** The client's last moments, once it failed. */
  history: readonly string[] = [];
  lastHeard = Date.now();
  busy = true;
  readonly #wanted = new Map<keyof Message, () => void>();
  readonly #trouble: (reason: string) => void;
  readonly #lost: (at: number, since: number, how: string) => void;
  #rest = "";
  #stderr = "";

  constructor(
    name: string,
    child: ChildProcess,
    trouble: (reason: string) => void,
    lost: (at: number, since: number, how: string) => void,
  ) {
    this.name = name;
    this.child = child;
    this.#trouble = trouble;
    this.#lost = lost;
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => this.#read(chunk));
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (this.#stderr += chunk));
    child.stdin?.on("error", () => {});
    child.on("close", (code, signal) => {
      if (this.account === undefined) this.#trouble(`${name} ended with ${code ?? signal}\n${this.#stderr}`);
    });
  }

  #read(chunk: string): void {
    const lines = (this.#rest + chunk).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#hear(JSON.parse(line) as Message);
  }

  #hear(message: Message): void {
    this.lastHeard = Date.now();
    if (message.lost !== undefined) this.#lost(message.lost, message.since ?? 0, message.how ?? "");
    if (message.failed !== undefined) {
      this.history = message.failed.history;
      this.#trouble(`${this.name} at ${(message.failed.at - message.failed.started).toFixed(3)} s of its life: ${message.failed.wrong}`);
    }
    if (message.done !== undefined) this.account = message.done;
    for (const key of Object.keys(message) as (keyof Message)[]) {
      this.#wanted.get(key)?.();
      this.#wanted.delete(key);
    }
  }

  /** Resolves with the next message of this kind. */
  heard(what: "ready" | "paused" | "done"): Promise<void> {
    return deadline(`${this.name} to say "${what}"`, PAUSE_MS, new Promise((resolve) => this.#wanted.set(what, resolve)), () =>
      this.stacks(),
    );
  }

  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  stacks(): string {
    return kernelStacks(this.child.pid ?? 0);
  }
}

export class Crew {
  readonly clients: readonly Client[];

  /** @param trouble called with what is wrong, once or often. @param lost with the time at which an open file without a name was found gone. */
  constructor(
    scene: Scene,
    count: number,
    random: Random,
    paceMs: number,
    trouble: (reason: string) => void,
    lost: (at: number, since: number, how: string) => void,
  ) {
    const names = Array.from({ length: count }, (_, index) => `client-${index}`);
    const shared = [0, 3, 4].map((index) => scene.places[index] as (typeof scene.places)[number]);
    const start = (program: string, order: { readonly name: string }): Client => {
      const args = [join(scene.programs, program), JSON.stringify({ seed: random.below(2 ** 31), paceMs, ...order })];
      return new Client(order.name, scene.sandbox.spawn("/usr/bin/python3", args, {}, "pipe"), trouble, lost);
    };
    this.clients = [
      ...names.map((name, index) => {
        const mine = [scene.places[index % scene.places.length], scene.places[(index + 3 + random.below(3)) % scene.places.length]];
        const roots = mine.flatMap((place) => (place === undefined ? [] : [{ ...place, path: join(place.target, name) }]));
        const places = shared.map(({ target, disk }) => ({ path: join(target, "shared"), disk }));
        return start("client.py", { name, roots, shared: places, clients: names } as { name: string });
      }),
      start("links.py", { name: "links", paceMs: 300, links: scene.links.map(({ target }) => target) } as { name: string }),
    ];
  }

  async ready(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.heard("ready")));
  }

  /** Everything the clients hold is closed, written and compared from top to bottom. */
  async pause(): Promise<void> {
    await Promise.all(
      this.clients.map(async (client) => {
        const paused = client.heard("paused");
        client.busy = false;
        client.tell("pause");
        await paused;
      }),
    );
  }

  resume(window: Window = ""): void {
    for (const client of this.clients) {
      client.lastHeard = Date.now();
      client.busy = true;
      client.tell(`resume ${window}`);
    }
  }

  async stop(): Promise<Account[]> {
    return Promise.all(
      this.clients.map(async (client) => {
        const done = client.heard("done");
        client.busy = false;
        client.tell("stop");
        await done;
        return client.account as Account;
      }),
    );
  }

  /** Clients whose operation does not end. */
  stalled(): readonly Client[] {
    return this.clients.filter((client) => client.busy && Date.now() - client.lastHeard > STALL_MS);
  }
}
