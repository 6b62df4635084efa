// One run of the soak: clients at work, faults at random, every minute a look at what daemon and server hold, and at the end everything
// compared with what must be there. Throws with all there is to know when anything is wrong.
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { StatusReport } from "../../src/daemon/status.ts";
import { abortConnection } from "../helpers/connections.ts";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { Crew, type Account } from "./crew.ts";
import { FAULTS, type Ground } from "./faults.ts";
import { anonymous, counts, descriptors, forgetAll, pss, zombies } from "./health.ts";
import type { SoakOptions } from "./options.ts";
import { Random } from "./random.ts";
import { Scene } from "./scene.ts";

/** What a run did, for the record. */
export interface Figures {
  readonly operations: number;
  readonly bytes: number;
  readonly refused: number;
  readonly lost: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly healed: number;
  readonly checkpoints: readonly Checkpoint[];
}

export interface Checkpoint {
  readonly second: number;
  readonly daemonMiB: number;
  readonly serverMiB: number;
  readonly serverHeapMiB: number;
  readonly nodes: number;
  readonly descriptors: number;
}

/** How long a fault may take: as long as its parts may wait, on a machine that does other things too. */
const FAULT_MS = 240_000;
const CHECKPOINT_MS = 60_000;
/** A healing that failed is tried again after a minute at the latest. */
const LINKS_MS = 90_000;
/** Nodes (and the pins of nameless ones) that a FORGET named which a server had read when it died: it is not redelivered. */
const LOST_PER_KILL = 64;
const handlesOf = (report: StatusReport): number => [...counts(report).values()].reduce((sum, { handles }) => sum + handles, 0);
/** Daemon and server together, whatever happened before. */
const MOST_MIB = 320;
/** Pipes, sockets and the like of all threads: an event loop has about nine, and a server three serving threads with two lanes each. */
const OTHER_DESCRIPTORS = 120;

export class Soak {
  readonly #options: SoakOptions;
  readonly #random: Random;
  readonly #scene: Scene;
  readonly #say: (line: string) => void;
  readonly #started = Date.now();
  readonly #events: string[] = [];
  readonly #kills: { readonly from: number; to: number }[] = [];
  readonly #faults: Record<string, number> = {};
  readonly #checkpoints: Checkpoint[] = [];
  #fail: (error: Error) => void = () => {};
  /** Rejects with the first thing that goes wrong anywhere. */
  readonly #failure = new Promise<never>((_, reject) => (this.#fail = reject));
  #crew: Crew | undefined;

  constructor(options: SoakOptions, checkout: string, say: (line: string) => void) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#say = say;
    this.#scene = new Scene(options, checkout);
    // It is waited for beside everything else; alone it must not end the process.
    this.#failure.catch(() => {});
  }

  async run(): Promise<Figures> {
    try {
      return await Promise.race([this.#work(), this.#failure]);
    } catch (error) {
      throw new Error(await this.#report(error), { cause: error });
    } finally {
      for (const { device } of this.#scene.sandbox.mounts()) abortConnection(device.split(":")[1] ?? "");
      await this.#scene.dispose();
    }
  }

  #note(text: string): void {
    const line = `${((Date.now() - this.#started) / 1000).toFixed(3).padStart(9)} ${text}`;
    this.#events.push(line);
    this.#say(line);
  }

  async #work(): Promise<Figures> {
    const { sandbox } = this.#scene;
    this.#scene.prepare();
    const mounted = await sandbox.run(["mount", "--config", sandbox.configFile]);
    if (mounted.code !== 0) throw new Error(`mount ended with ${mounted.code}\n${mounted.stdout}${mounted.stderr}`);
    const crew = this.#startCrew();
    this.#crew = crew;
    await crew.ready();
    const watch = setInterval(() => this.#watch(crew), 1_000);
    try {
      await this.#storm(crew);
      this.#note("stop");
      const accounts = await crew.stop();
      return await this.#settle(accounts);
    } finally {
      clearInterval(watch);
    }
  }

  #startCrew(): Crew {
    const trouble = (reason: string): void => this.#fail(new Error(reason));
    const lost = (at: number, since: number, how: string): void => {
      // A duplicate of the clock in another process: some slack.
      if (this.#kills.some(({ from, to }) => from <= (at + 1) * 1000 && to >= (since - 1) * 1000)) return;
      trouble(`an open file without a name was lost, although no server was killed: ${how}`);
    };
    return new Crew(this.#scene, this.#options.clients, this.#random, this.#options.paceMs, trouble, lost);
  }

  #watch(crew: Crew): void {
    const [client] = crew.stalled();
    if (client !== undefined) this.#fail(new Error(`${client.name} stands still\n${client.stacks()}`));
  }

  async #storm(crew: Crew): Promise<void> {
    const end = this.#started + this.#options.minutes * 60_000;
    const ground: Ground = { scene: this.#scene, crew, random: this.#random, killed: () => this.#killed() };
    const faults = FAULTS.filter(({ name }) => this.#options.faults?.includes(name) ?? true);
    let checkpoint = Date.now() + Math.min(CHECKPOINT_MS, (end - Date.now()) / 3);
    while (Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, this.#random.between(0, 2_500)));
      if (faults.length > 0) {
        const fault = this.#random.weighted(faults);
        this.#note(fault.name);
        await deadline(fault.name, FAULT_MS, fault.run(ground), () => this.#stacks());
        this.#faults[fault.name] = (this.#faults[fault.name] ?? 0) + 1;
        this.#note(`${fault.name} is over`);
      }
      if (Date.now() < checkpoint) continue;
      checkpoint = Date.now() + CHECKPOINT_MS;
      await crew.pause();
      await this.#check();
      crew.resume();
    }
  }

  #killed(): () => void {
    const kill = { from: Date.now(), to: Number.POSITIVE_INFINITY };
    this.#kills.push(kill);
    return () => {
      kill.to = Date.now();
    };
  }

  // With nothing open and everything forgotten, daemon and server hold what they held at the beginning.
  async #check(): Promise<void> {
    const { sandbox, mountCount } = this.#scene;
    const before = await sandbox.statusUntil("all mounted", (report) => report.server !== null);
    const [daemon, server] = pidsOf(before);
    forgetAll(sandbox);
    const inner = sandbox.mounts().map((mount) => mount.mountpoint);
    const wanted = (target: string): number => 1 + inner.filter((other) => other.startsWith(`${target}/`)).length;
    const extraNodes = (found: StatusReport): number =>
      [...counts(found)].reduce((sum, [target, { nodes }]) => sum + Math.max(0, nodes - wanted(target)), 0);
    const report = await sandbox.statusUntil(
      "nodes and handles back where they were",
      (found) => Math.max(extraNodes(found), handlesOf(found)) <= LOST_PER_KILL * this.#kills.length,
      20_000,
    );
    const at = { daemon: descriptors(daemon), server: descriptors(server) };
    const roots = mountCount;
    const right = at.daemon.fuse === roots && at.daemon.memory === roots && at.server.fuse === 2 * roots && at.server.memory <= 2 * roots;
    const inStorage = at.server.files.filter((path) => path.startsWith(`${sandbox.base}/`) && !path.startsWith(`${sandbox.base}/run/`));
    // A node that stayed known may have its descriptor in the cache.
    const mayBeOpen = roots + 1 + handlesOf(report) + extraNodes(report);
    if (!right || inStorage.length > mayBeOpen || at.daemon.other > OTHER_DESCRIPTORS || at.server.other > OTHER_DESCRIPTORS) {
      throw new Error(`descriptors are left over with ${roots} mounts: ${JSON.stringify(at, null, 1)}`);
    }
    const parents = [daemon, server];
    await until(
      "children to be waited for",
      5_000,
      () => zombies(parents).length === 0,
      () => `zombies: ${zombies(parents).join(", ")}`,
    );
    const clients = this.#crew?.clients.map(({ child }) => child.pid) ?? [];
    const own = (): number[] => sandbox.pids().filter((pid) => !clients.includes(pid));
    await until(
      "no process beyond daemon and server",
      20_000,
      () => own().every((pid) => parents.includes(pid)),
      () => `processes: ${own().join(", ")}`,
    );
    const checkpoint: Checkpoint = {
      second: Math.round((Date.now() - this.#started) / 1000),
      daemonMiB: pss(daemon),
      serverMiB: pss(server),
      serverHeapMiB: anonymous(server),
      nodes: [...counts(report).values()].reduce((sum, { nodes }) => sum + nodes, 0),
      descriptors: [at.daemon, at.server].reduce((sum, { fuse, memory, files, other }) => sum + fuse + memory + files.length + other, 0),
    };
    this.#checkpoints.push(checkpoint);
    this.#note(
      `checkpoint ${JSON.stringify(checkpoint, (_, value: unknown) => (typeof value === "number" ? Math.round(value * 10) / 10 : value))}`,
    );
    if (checkpoint.daemonMiB + checkpoint.serverMiB > MOST_MIB) throw new Error(`more memory than ${MOST_MIB} MiB`);
  }

  async #settle(accounts: readonly Account[]): Promise<Figures> {
    const { sandbox } = this.#scene;
    const report = await this.#linksInPlace(accounts);
    await this.#check();
    const trees = accounts.flatMap((account) => account.trees);
    await this.#verify(trees, "through the mounts");
    const unmounted = await sandbox.run(["unmount"]);
    if (unmounted.code !== 0) throw new Error(`unmount ended with ${unmounted.code}\n${unmounted.stdout}${unmounted.stderr}`);
    if (sandbox.mounts().length > 0) throw new Error(`${sandbox.mounts().length} mounts are left`);
    await until(
      "end of daemon and server",
      20_000,
      () => sandbox.pids().length === 0,
      () => this.#stacks(),
    );
    await this.#verify(
      trees.map(({ path, tree }) => ({ path: this.#inStorage(path), tree })),
      "in the storages",
    );
    this.#sharedPlaces(accounts);
    const left = this.#scene.privateNames();
    if (left.length > 0) throw new Error(`private names are left: ${left.join(", ")}`);
    const sum = (of: (account: Account) => number): number => accounts.reduce((total, account) => total + of(account), 0);
    return {
      operations: sum((account) => account.operations),
      bytes: sum((account) => account.bytes),
      refused: sum((account) => account.refused),
      lost: sum((account) => account.lost),
      faults: this.#faults,
      healed: report.entries.reduce((total, entry) => total + (entry.healed?.count ?? 0), 0),
      checkpoints: this.#checkpoints,
    };
  }

  /** Every link becomes a link again, and what was written last lies in storage. */
  async #linksInPlace(accounts: readonly Account[]): Promise<StatusReport> {
    for (const { target, digest } of accounts.flatMap((account) => account.links)) {
      const source = this.#scene.links.find((link) => link.target === target)?.source ?? "";
      const found = (): string => `${target}: ${whatIs(target)}; ${source}: ${digestOf(source)}, not ${digest}`;
      await until(`${target} in place`, LINKS_MS, () => whatIs(target) === source && digestOf(source) === digest, found);
    }
    const fine = ["linked", "healed", "dangling"];
    const right = (found: StatusReport): boolean =>
      found.entries.every((entry) => entry.type === "directory" || fine.includes(entry.state));
    return this.#scene.sandbox.statusUntil("all links in place", right);
  }

  #inStorage(path: string): string {
    const places = this.#scene.places.filter(({ target }) => path.startsWith(`${target}/`));
    const [place] = places.sort((a, b) => b.target.length - a.target.length);
    return place === undefined ? path : place.source + path.slice(place.target.length);
  }

  async #verify(trees: readonly { readonly path: string; readonly tree: unknown }[], where: string): Promise<void> {
    const file = join(this.#scene.sandbox.base, "trees.json");
    writeFileSync(file, JSON.stringify(trees));
    const ran = await this.#scene.sandbox.exec("/usr/bin/python3", [join(this.#scene.programs, "verify.py"), file]);
    if (ran.code !== 0) throw new Error(`what is there ${where} is not what the clients wrote:\n${ran.stdout}${ran.stderr}`);
    for (const { path } of trees) {
      const database = `${path}.db`;
      const script = `test ! -e "$1" || test "$(sqlite3 "$1" 'pragma integrity_check')" = ok`;
      const checked = await this.#scene.sandbox.exec("sh", ["-c", script, "sh", database]);
      if (checked.code !== 0) throw new Error(`${database} is not sound ${where}: ${checked.stderr}`);
    }
  }

  /** Counters, logs and published files have what all clients together did to them. */
  #sharedPlaces(accounts: readonly Account[]): void {
    const places = new Set(accounts.flatMap((account) => account.shared.map(({ path }) => path)));
    for (const path of places) {
      const source = this.#inStorage(path);
      const of = accounts
        .map((account) => account.shared.find((each) => each.path === path))
        .map((each) => ({ increments: 0, lines: 0, sequence: 0, ...each }));
      const increments = of.reduce((total, each) => total + each.increments, 0);
      const counted = increments === 0 ? 0 : Number(readFileSync(join(source, "counter")).readBigUInt64LE());
      if (counted !== increments) throw new Error(`${source}: the counter says ${counted} after ${increments} increments`);
      of.forEach(({ lines, sequence }, index) => {
        const name = `client-${index}`;
        if (lines > 0) sameLines(join(source, "log"), name, lines);
        const published = sequence === 0 ? 0 : Number(readFileSync(join(source, `from-${name}`), "latin1").split(" ")[0]);
        if (published !== sequence) throw new Error(`${source}: ${name} published ${sequence} files, the last one there is ${published}`);
      });
    }
  }

  #stacks(): string {
    return this.#scene.sandbox.pids().map(kernelStacks).join("\n");
  }

  async #report(error: unknown): Promise<string> {
    const { stdout: status } = await this.#scene.sandbox.run(["status"]).catch((late: unknown) => ({ stdout: String(late) }));
    const failed = this.#crew?.clients.find((client) => client.history.length > 0);
    return [
      `soak --seed ${this.#options.seed} --as ${this.#options.as}: ${error instanceof Error ? error.message : String(error)}`,
      failed === undefined ? "" : `-- the last operations of ${failed.name}\n${failed.history.join("\n")}`,
      `-- what was done\n${this.#events.slice(-40).join("\n")}`,
      `-- status\n${status}`,
      `-- the daemon's log\n${this.#scene.sandbox.log().slice(-6_000)}`,
      `-- kernel\n${execFileSync("sh", ["-c", "dmesg 2>/dev/null | tail -5"], { encoding: "utf8" })}`,
    ].join("\n");
  }
}

const whatIs = (target: string): string => (lstatSync(target).isSymbolicLink() ? readlinkSync(target) : "a file");
const digestOf = (file: string): string => (existsSync(file) ? createHash("sha256").update(readFileSync(file)).digest("hex") : "nothing");

function sameLines(log: string, name: string, count: number): void {
  const numbers = readFileSync(log, "latin1")
    .split("\n")
    .filter((line) => line.startsWith(`${name} `))
    .map((line) => Number(line.slice(name.length + 1)));
  const wrong = numbers.findIndex((number, index) => number !== index);
  if (numbers.length !== count || wrong >= 0) {
    throw new Error(`${log}: ${numbers.length} lines of ${name} instead of ${count}; the first wrong one is ${numbers[wrong]} at ${wrong}`);
  }
}

function pidsOf(report: StatusReport): [number, number] {
  if (report.daemon === null || report.server === null) throw new Error("daemon or server is gone");
  return [report.daemon.pid, report.server.pid];
}
