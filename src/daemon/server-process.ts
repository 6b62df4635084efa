// Runs the server process and gives it mounts. The daemon keeps the original /dev/fuse descriptor and the state memory of every mount,
// so that when the server dies a new one takes the mounts over and nobody sees ENOTCONN.
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { MFD_CLOEXEC } from "../sys/constants.ts";
import { call } from "../sys/call.ts";
import { close } from "../sys/file.ts";
import { libc } from "../sys/libc.ts";
import { cstr } from "../sys/name.ts";
import { raiseNofile } from "../sys/rlimit.ts";
import { sendFdsIfRoom, socketpair } from "../sys/socket.ts";
import type { EngineName, ServeSpec, ServeStats } from "../engine/engine.ts";
import type { HandedMount } from "../engine/handover.ts";
import { hearKeeper, sendKept } from "../engine/keeping.ts";
import type { FromServer, ToServer } from "../engine/host-protocol.ts";
import { HmpersistError } from "../errors.ts";
import type { Log } from "../log.ts";
import { within } from "../within.ts";
import { Backoff } from "./backoff.ts";
import { Death } from "./death.ts";
import { Remains } from "./remains.ts";
import { WorkQueue } from "./work-queue.ts";

const HOST = fileURLToPath(new URL("../engine/host.js", import.meta.url));
const SERVE_TIMEOUT_MS = 15_000;
const STATS_TIMEOUT_MS = 500;
/** Until a server that could not even be started (no descriptors, no processes) is tried again. */
const START_AGAIN_MS = 1_000;
/** Whoever restarts the server waits so long for mounts whose storages do not answer. */
const TAKEOVER_MS = 3_000;
/** A change of servers takes less; a mount that is not served for longer is one whose storage does not answer. */
const STUCK_MS = 2_000;
/** Between two tries to pass descriptors to a server that has not read those before. */
const ROOM_MS = 5;

/**
 * Files without a name that are kept for each mount, and for all as a share of the descriptors that are allowed: a server opens each once
 * more, and needs others to start. Those beyond end with their server.
 */
const MAX_KEPT = 1_000;
const KEPT_SHARE = 1 / 3;

interface Held {
  readonly spec: ServeSpec;
  readonly engine: EngineName;
  readonly device: number | undefined;
  readonly state: number | undefined;
  /** The directory the server opened: see ServedMount. */
  root?: string;
  /** The server that was given it last. */
  server?: ChildProcess;
  /** By node: descriptors of files without a name, for the next server. */
  readonly kept: Map<number, number>;
  /** Since when no server serves it. */
  unservedMs: number | undefined;
}

const HURRIED = "the daemon is being stopped";

/** The server is well, and says why it cannot serve a mount. */
class Refused extends Error {}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What the owner of the server wants to hear. */
export interface ServerEvents {
  /** A mount is served whose descriptors may be kept elsewhere too. */
  serving(mount: HandedMount): void;
  /** A mount whose descriptors are left to whoever else holds them has files without a name, by node: nobody else has those yet. */
  leaving(mountpoint: string, files: ReadonlyMap<number, number>): void;
  /** The descriptors of a mount are let go of. */
  released(mountpoint: string): void;
  /** A mount's connection is over: it was unmounted, or its engine gave up (then with a reason). */
  ended(mountpoint: string, reason: string | undefined): void;
  /** The server died by itself. `lost` are the mounts no successor can take over. */
  died(how: string, lost: readonly string[]): void;
  /** A mount is served that was not, because its storage did not answer. */
  answered(mountpoint: string): void;
  /** A successor cannot serve a mount of its predecessor; it is dead. */
  lost(mountpoint: string, reason: string): void;
}

export class ServerProcess {
  readonly #log: Log;
  readonly #events: ServerEvents;
  readonly #handoverPath: string;
  readonly #held = new Map<string, Held>();
  readonly #mayKeep = raiseNofile() * KEPT_SHARE;
  /** By mountpoint: the mount that was last given to the server. */
  readonly #ids = new Map<string, number>();
  #lastId = 0;
  /** One mount after the other: their descriptors and the messages about them come in the same order. */
  readonly #giving = new WorkQueue();
  readonly #waiting = new Map<string, Waiting>();
  readonly #stats = new Map<number, (mounts: Record<string, ServeStats>) => void>();
  #child: ChildProcess | undefined;
  #death: Death | undefined;
  readonly #remains = new Remains();
  #starting: Promise<ChildProcess> | undefined;
  #socket = -1;
  #seq = 0;
  readonly #backoff = new Backoff();
  /** The server took over every mount that was held when it started. */
  #served = false;
  /** The server that is being replaced on purpose. */
  #replaced: ChildProcess | undefined;
  #hurried = false;
  #stopping = false;
  #keepMounts = false;
  /** Settles when the last death of a server was made good for; never rejects. */
  #takeover: Promise<void> = Promise.resolve();
  /** How often another server took the place of one, however that ended. */
  restarts = 0;
  /** How often one ended without being asked to, and how the last one did. */
  deaths = 0;
  lastDeath: string | undefined;

  /** @param handoverPath where an orphaned server offers its mounts to the next daemon. */
  constructor(log: Log, handoverPath: string, events: ServerEvents) {
    this.#handoverPath = handoverPath;
    this.#log = log;
    this.#events = events;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The mounts whose descriptors are held, whether or not a server runs at this moment. */
  get mountpoints(): string[] {
    return [...this.#held.keys()];
  }

  specOf(mountpoint: string): ServeSpec | undefined {
    return this.#held.get(mountpoint)?.spec;
  }

  engineOf(mountpoint: string): EngineName | undefined {
    return this.#held.get(mountpoint)?.engine;
  }

  /** Which directory the mount shows; undefined until it is served. */
  rootOf(mountpoint: string): string | undefined {
    return this.#held.get(mountpoint)?.root;
  }

  /** The mounts that nobody serves because their storages do not answer. */
  get stuck(): string[] {
    if (this.#child === undefined) return [];
    const before = performance.now() - STUCK_MS;
    return [...this.#held].flatMap(([mountpoint, { unservedMs }]) => ((unservedMs ?? Infinity) < before ? [mountpoint] : []));
  }

  /** Starts the server and what mounts of these storages need, so that its start and the daemon's looking around overlap. */
  warm(engine: EngineName, storages: readonly string[]): void {
    this.#start().then(
      (child) => this.#tell(child, { type: "warm", engine, storages }),
      // A failure is met again, and reported, by the first mount.
      () => {},
    );
  }

  /** Starts the server and waits for it. */
  async start(): Promise<void> {
    // A failure is met again, and reported, by the first mount.
    await this.#start().catch(() => {});
  }

  /**
   * Has `spec` served. `device` is the mounted descriptor (owned from here on), undefined for an engine that mounts by itself.
   * Rejects with the engine's reason.
   */
  async serve(engine: EngineName, spec: ServeSpec, device: number | undefined): Promise<void> {
    const state =
      device === undefined ? undefined : call("memfd_create", undefined, libc.memfd_create, cstr("hmpersist-state"), MFD_CLOEXEC);
    const held: Held = { spec, engine, device, state, kept: new Map(), unservedMs: performance.now() };
    // One that was there before is detached, and none of ours once its server is gone.
    if (this.#held.has(spec.mountpoint)) this.#release(spec.mountpoint);
    this.#held.set(spec.mountpoint, held);
    try {
      await this.#send(held, false);
    } catch (error) {
      // If the server died its successor is given this mount with all others; but a second death may be this mount's doing.
      if (!(error instanceof Refused)) await this.#takeover;
      if (held.root === undefined) {
        this.#release(spec.mountpoint);
        throw error;
      }
    }
    if (device !== undefined && state !== undefined) this.#events.serving({ engine, spec, device, state });
  }

  /**
   * Goes on with a mount that a predecessor made and served; its descriptors are owned from here on. Rejects with the reason if it
   * cannot: then the mount is dead, unless the server died, for its successor will try again.
   */
  async resume(mount: HandedMount): Promise<void> {
    const { mountpoint } = mount.spec;
    const kept = new Map((mount.kept ?? []).map(({ nodeid, fd }) => [nodeid, fd]));
    const held: Held = { ...mount, kept, unservedMs: performance.now() };
    this.#held.set(mountpoint, held);
    this.#events.serving(mount);
    try {
      await this.#send(held, true);
    } catch (error) {
      if (error instanceof Refused) this.#release(mountpoint);
      throw error;
    }
  }

  async #send(held: Held, resume: boolean): Promise<void> {
    const { mountpoint } = held.spec;
    const child = await this.#start();
    if (this.#hurried) throw new Error(HURRIED);
    if (this.#held.get(mountpoint) !== held) throw new Error("the mount was given up meanwhile");
    // Two sessions of one mount would give the same node ids to different files.
    if (held.server === child) return;
    held.server = child;
    const answer = new Promise<void>((resolve, reject) => this.#waiting.set(mountpoint, { resolve, reject }));
    // It may be refused before it is waited for below.
    answer.catch(() => {});
    const timer = setTimeout(() => this.#settle(mountpoint, new Error("the server did not answer in time")), SERVE_TIMEOUT_MS);
    try {
      await this.#giving.run(() => this.#give(child, held, resume));
      await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  // The server reads the socket when it is told of a mount: whoever waited in the kernel for room there would keep it from being told.
  async #give(child: ChildProcess, held: Held, resume: boolean): Promise<void> {
    const { engine, spec, device, state } = held;
    const isWanted = (): boolean => this.#child === child && this.#held.get(spec.mountpoint) === held;
    const pass = async (data: Buffer, fds: readonly number[]): Promise<boolean> => {
      for (; isWanted(); await sleep(ROOM_MS)) if (sendFdsIfRoom(this.#socket, data, fds)) return true;
      return false;
    };
    const passed = device === undefined || state === undefined ? isWanted() : await pass(Buffer.alloc(1), [device, state]);
    if (!passed) throw new Error("the mount was given up meanwhile");
    const kept = await sendKept(held.kept, pass);
    const id = ++this.#lastId;
    this.#ids.set(spec.mountpoint, id);
    this.#tell(child, { type: "serve", id, engine, spec, device: device !== undefined, resume, kept });
  }

  /** Counters of every mount; empty if the server does not answer in time, which is not waited for longer. */
  async stats(): Promise<Record<string, ServeStats>> {
    const child = this.#child;
    if (child === undefined) return {};
    const seq = ++this.#seq;
    return new Promise((resolve) => {
      const finish = (mounts: Record<string, ServeStats>): void => {
        clearTimeout(timer);
        this.#stats.delete(seq);
        resolve(mounts);
      };
      const timer = setTimeout(finish, STATS_TIMEOUT_MS, {});
      this.#stats.set(seq, finish);
      this.#tell(child, { type: "stats", seq });
    });
  }

  /** Replaces the server by a new one, for an upgrade; the mounts stay. */
  async restart(): Promise<void> {
    const death = this.#death;
    if (death === undefined) return;
    this.#replaced = this.#child;
    death.kill();
    await death.happened;
    await within(this.#takeover, TAKEOVER_MS, undefined);
  }

  /** The end is near: what is not served by now is not waited for, since a storage that hangs holds it up. */
  hurry(): void {
    this.#hurried = true;
    for (const mountpoint of this.#waiting.keys()) this.#settle(mountpoint, new Error(HURRIED));
  }

  /** Ends the server. Mounts still there lose it, unless `keepMounts` leaves their descriptors to whoever else holds them. */
  async stop(keepMounts = false): Promise<void> {
    this.#stopping = true;
    this.#keepMounts = keepMounts;
    const [child, death] = [this.#child, this.#death];
    if (child !== undefined && death !== undefined) {
      this.#tell(child, { type: "quit" });
      const timer = setTimeout(() => death.kill(), 3_000);
      await death.happened;
      clearTimeout(timer);
    }
    for (const [mountpoint, { kept }] of this.#held) {
      if (keepMounts) this.#events.leaving(mountpoint, kept);
      else this.#release(mountpoint);
    }
  }

  // IPC writes fail asynchronously when the child is gone; its exit event tells all there is to know.
  #tell(child: ChildProcess, message: ToServer): void {
    child.send(message, () => {});
  }

  #start(): Promise<ChildProcess> {
    if (this.#starting === undefined) {
      const starting = this.#spawn();
      this.#starting = starting;
      starting.catch(() => {
        if (this.#starting === starting) this.#starting = undefined;
      });
    }
    return this.#starting;
  }

  async #spawn(): Promise<ChildProcess> {
    if (this.#stopping) throw new HmpersistError("HMP_INTERNAL", "the server is being stopped");
    const [ours, theirs] = socketpair("seqpacket");
    // The server answers requests on its own threads; its main thread and libuv's pool only carry messages.
    const child = fork(HOST, [this.#handoverPath], {
      stdio: ["ignore", "inherit", "inherit", "ipc", theirs],
      execArgv: ["--max-semi-space-size=1", "--no-warnings"],
      // Its own process group: Ctrl-C in a terminal is the daemon's business.
      detached: true,
    });
    close(theirs);
    if (child.pid === undefined) {
      close(ours);
      const [error] = (await once(child, "error")) as [Error];
      throw error;
    }
    this.#socket = ours;
    this.#child = child;
    child.on("message", (message) => this.#hear(message as FromServer));
    this.#death = new Death(child, (how, left) => {
      if (left) this.#remains.add(child);
      this.#exited(child, ours, how);
    });
    await Promise.race([
      once(child, "message"),
      once(child, "exit").then(() => Promise.reject(new Error("the server ended as it started"))),
    ]);
    return child;
  }

  #hear(message: FromServer): void {
    switch (message.type) {
      case "ready":
        this.#death?.watch();
        this.#log.debug({ pid: this.#child?.pid }, "server started");
        break;
      case "serving":
        this.#opened(message);
        this.#settle(message.mountpoint);
        if (this.#waiting.size === 0) this.#served = true;
        break;
      case "failed":
        this.#settle(message.mountpoint, new Refused(message.reason));
        break;
      case "ended":
        // A server that quits says so for each of its mounts, which go on with the next one.
        if (this.#keepMounts) break;
        // A mount that was replaced meanwhile: its successor is not over.
        if (this.#ids.get(message.mountpoint) !== message.id) break;
        this.#release(message.mountpoint);
        this.#events.ended(message.mountpoint, message.reason);
        break;
      case "kept":
        this.#keep();
        break;
      case "stats":
        this.#stats.get(message.seq)?.(message.mounts);
        break;
    }
  }

  #opened({ mountpoint, root }: Extract<FromServer, { type: "serving" }>): void {
    const held = this.#held.get(mountpoint);
    if (held === undefined) return;
    const wasStuck = this.stuck.includes(mountpoint);
    held.root = root;
    held.unservedMs = undefined;
    if (wasStuck) this.#events.answered(mountpoint);
  }

  /** Takes what the server gives of files without a name, and closes what it drops. */
  #keep(): void {
    const held = new Map([...this.#ids].map(([mountpoint, id]) => [id, this.#held.get(mountpoint)]));
    const all = (): number => [...this.#held.values()].reduce((sum, mount) => sum + mount.kept.size, 0);
    for (let told = hearKeeper(this.#socket); told !== undefined; told = hearKeeper(this.#socket)) {
      const { id, nodeid, fd } = told;
      const kept = held.get(id)?.kept;
      const before = kept?.get(nodeid);
      if (before !== undefined) close(before);
      kept?.delete(nodeid);
      if (fd === undefined) continue;
      if (kept === undefined || kept.size >= MAX_KEPT || all() >= this.#mayKeep) close(fd);
      else kept.set(nodeid, fd);
    }
  }

  #settle(mountpoint: string, error?: Error): void {
    const waiting = this.#waiting.get(mountpoint);
    this.#waiting.delete(mountpoint);
    if (error === undefined) waiting?.resolve();
    else waiting?.reject(error);
  }

  #release(mountpoint: string): void {
    const held = this.#held.get(mountpoint);
    this.#held.delete(mountpoint);
    if (held?.device !== undefined) close(held.device);
    if (held?.state !== undefined) close(held.state);
    for (const fd of held?.kept.values() ?? []) close(fd);
    this.#events.released(mountpoint);
  }

  #exited(child: ChildProcess, socket: number, how: string): void {
    if (this.#socket === socket) this.#keep(); // what it gave last
    close(socket);
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#death = undefined;
    this.#starting = undefined;
    for (const held of this.#held.values()) held.unservedMs ??= performance.now();
    for (const mountpoint of this.#waiting.keys()) this.#settle(mountpoint, new Error(`the server ended (${how})`));
    if (this.#stopping) return;
    const lost = [...this.#held].filter(([, held]) => held.device === undefined).map(([mountpoint]) => mountpoint);
    for (const mountpoint of lost) this.#release(mountpoint);
    this.restarts += 1;
    let pause = 0;
    if (this.#replaced !== child) {
      this.deaths += 1;
      this.lastDeath = how;
      pause = this.#backoff.afterDeath(performance.now(), this.#served);
    }
    this.#served = false;
    this.#events.died(how, lost);
    if (this.#held.size > 0) this.#takeover = sleep(pause).then(() => this.#takeOver());
  }

  async #takeOver(): Promise<void> {
    const { restarts } = this;
    try {
      await this.#start();
    } catch (error) {
      this.#log.error({ error: String(error) }, "no server could be started");
      // One that did start and died schedules the next attempt itself, through its exit; so it does below.
      if (this.#stopping || this.restarts !== restarts || this.#child !== undefined || this.#starting !== undefined) return;
      this.#takeover = sleep(START_AGAIN_MS).then(() => this.#takeOver());
      return;
    }
    const all = [...this.#held.values()];
    const stuck = all.filter((held) => this.#remains.workOn(held.spec.storage));
    for (const held of stuck) void this.#goOnLater(held);
    await Promise.all(all.filter((held) => !stuck.includes(held)).map((held) => this.#goOn(held)));
  }

  async #goOn(held: Held): Promise<void> {
    const { mountpoint } = held.spec;
    try {
      await this.#send(held, true);
    } catch (error) {
      this.#log.error({ mount: mountpoint, error: String(error) }, "mount was not taken over");
      if (!(error instanceof Refused)) return;
      this.#release(mountpoint);
      this.#events.lost(mountpoint, error.message);
    }
  }

  // What a dead server's thread was asked is asked again of its successor, and what comes next builds on that answer: a call that is only
  // done then would undo it.
  async #goOnLater(held: Held): Promise<void> {
    const { mountpoint, storage } = held.spec;
    this.#log.warn({ mount: mountpoint }, "its storage holds a thread of the dead server; it goes on when that has ended");
    const child = this.#child;
    await this.#remains.goneFrom(storage);
    // The next server asks anew; and the mount may have been given up.
    if (this.#child === child && this.#held.get(mountpoint) === held) await this.#goOn(held);
  }
}
