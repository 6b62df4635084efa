// The daemon: keeps a home as its configuration wants it. It decides, mounts and links; the server process serves. Nothing here waits
// for a mount of ours or for a storage longer than a deadline, so `status` always answers.
import { rmSync, writeFileSync } from "node:fs";
import { locations } from "../config/locations.ts";
import type { Config } from "../config/config.ts";
import type { EngineProbe } from "../engine/engine.ts";
import type { Handover } from "../engine/handover.ts";
import { probeEngines } from "../engine/probe.ts";
import { selectEngine } from "../engine/select.ts";
import { EXIT, HmpersistError, type ExitCode } from "../errors.ts";
import type { Log } from "../log.ts";
import { Lanes } from "../link/lanes.ts";
import { makeDesired } from "../plan/desired.ts";
import { makePlan } from "../plan/diff.ts";
import { explainPlan } from "../plan/explain.ts";
import type { Obstacle } from "../plan/obstacles.ts";
import type { Desired, Plan, Refusal } from "../plan/types.ts";
import { isMounted } from "../mount/unmount.ts";
import { monotonicMs } from "../sys/clock.ts";
import { readMountinfo } from "../sys/mountinfo.ts";
import { within } from "../within.ts";
import { describeHolders } from "./busy.ts";
import type { ControlRequest, Followed } from "./control/protocol.ts";
import { Directories } from "./directories.ts";
import { Entries } from "./entries.ts";
import { Instance } from "./instance.ts";
import { checkSocketPath } from "./instance-lock.ts";
import { Links } from "./links.ts";
import { Mounts } from "./mounts.ts";
import { Observer } from "./observe.ts";
import { watchMountTable } from "./mount-table.ts";
import { carryOut } from "./reconcile.ts";
import { FdStore } from "./fd-store.ts";
import { makeReport } from "./report.ts";
import { createNotifier, EXTEND_MS, type Notifier } from "./sd-notify.ts";
import { isRestart } from "./restarting.ts";
import { ServerProcess } from "./server-process.ts";
import { checkStaleness } from "./staleness-check.ts";
import type { StatusReport } from "./status.ts";
import { fingerprint } from "./storages.ts";
import { takeOverMounts } from "./take-over.ts";
import { TryAgain } from "./try-again.ts";
import { unmountAtEnd } from "./unmount-at-end.ts";
import { WorkQueue } from "./work-queue.ts";

export interface DaemonOptions {
  /** Reads the configuration anew; throws HmpersistError. */
  readonly load: (file?: string) => Promise<{ readonly config: Config; readonly file: string | null }>;
  /** What `load` reads without a file, paths absolute: commands read it themselves, since a file that hangs must not hang the daemon. */
  readonly settings: object;
  readonly log: Log;
  readonly trace: boolean;
  /** A service manager started this process: a bad configuration must not lock the user out: stay up, do nothing, say so. */
  readonly managed: boolean;
}

/** What `mount` and `apply` print and end with. */
export interface Outcome {
  readonly exitCode: ExitCode;
  readonly report: StatusReport;
}

/** Between two looks at a configuration that did not answer. */
const LOAD_AGAIN_MS = 1_000;
/** A report waits so long for looks at storages. */
const LOOK_MS = 800;
/** Of planning and carrying out: to detach, to mount, and to mount what lies inside. */
const MAX_ROUNDS = 3;
/** A storage that hangs meanwhile must not hold up the login for ever. */
const ADOPT_MS = 600_000;

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #log: Log;
  readonly #entries = new Entries();
  readonly #observer = new Observer({ answered: () => this.#again.soon() });
  readonly #queue = new WorkQueue();
  /** A storage answers again: what was refused because it did not is tried again, after what the queue is at, which may be refusing it now. */
  readonly #again = new TryAgain(() => void this.#queue.run(async () => this.#incomplete && this.#repair()));
  readonly #servedAgain = new TryAgain(() => this.#repair());
  readonly #lanes = new Lanes();
  readonly #directories = new Directories(this.#lanes);
  readonly #instance: Instance;
  readonly #server: ServerProcess;
  readonly #mounts: Mounts;
  readonly #links: Links;
  readonly #notifier: Notifier;
  readonly #fdStore: FdStore;
  readonly #startedMs = monotonicMs();
  readonly #handoverPath = locations(process.env).handoverSocket;
  readonly #restartMark = locations(process.env).restartMark;
  #handover: Handover | undefined;
  #config: Config | undefined;
  /** The one taken last: followed until `apply --config` names another. */
  #configFile: string | null = null;
  #desired: Desired | undefined;
  #refusals: readonly Refusal[] = [];
  /** Some entry is not in place. */
  #incomplete = false;
  #isRepairDue = false;
  #loadAgain: NodeJS.Timeout | undefined;
  #problems: string[] = [];
  #engine: Promise<EngineProbe> | undefined;
  #stopping = false;
  #stopped: Promise<void> | undefined;
  #unwatch: (() => void) | undefined;
  /** The file systems of the storages when they were last looked at. */
  #seenStorages = "";

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#notifier = createNotifier(process.env);
    this.#instance = new Instance(locations(process.env), options.log);
    this.#fdStore = new FdStore(this.#notifier, locations(process.env).mountList, options.log);
    this.#server = new ServerProcess(options.log, this.#handoverPath, {
      serving: (mount) => this.#fdStore.put(mount),
      leaving: (mountpoint, files) => this.#fdStore.putFiles(mountpoint, files),
      released: (mountpoint) => this.#fdStore.drop(mountpoint),
      ended: (mountpoint, reason) => this.#mountEnded(mountpoint, reason),
      answered: () => this.#servedAgain.soon(),
      died: (how, lost) => this.#serverDied(how, lost),
      lost: (mountpoint, reason) => this.#mountLost(mountpoint, reason),
    });
    this.#mounts = new Mounts(this.#server, { trace: options.trace, directories: this.#directories, home: () => this.#config?.home });
    const unmounted = (storage: string): Obstacle | undefined => this.#observer.unmounted(storage);
    const { stateDir } = locations(process.env);
    const remembered = (): void => this.#repair();
    this.#links = new Links(this.#entries, options.log, { stateDir, lanes: this.#lanes, unmounted, remembered });
  }

  /** Takes the instance lock, opens the control socket and brings the home up. Throws HmpersistError if a daemon runs already. */
  async start(): Promise<Outcome> {
    for (const socket of [locations(process.env).controlSocket, this.#handoverPath]) checkSocketPath(socket);
    this.#instance.take();
    const outcome = await this.#queue.run(async () => {
      rmSync(this.#restartMark, { force: true });
      await this.#loadAtStart();
      this.#handover = await takeOverMounts({
        handoverPath: this.#handoverPath,
        server: this.#server,
        fdStore: this.#fdStore,
        log: this.#log,
        // In its turn, for a plan that is being made takes a mount that answers and is not held for an orphan.
        late: (take) => void this.#queue.run(async () => void take().then(() => this.#repair())),
      });
      await this.#instance.listen((request, isWanted) => this.#handle(request, isWanted));
      return this.#reconcile();
    });
    this.#sayReady();
    this.#unwatch = watchMountTable(
      () => this.#mountTableChanged(),
      (error) => this.#log.error({ error: String(error) }, "mount table not read"),
    );
    this.#loadLate();
    const { watchdogIntervalMs } = this.#notifier;
    // The event loop turning is what is watched: a stuck storage or mount must never stop it.
    if (watchdogIntervalMs !== undefined) setInterval(() => this.#notifier.watchdog(), watchdogIntervalMs);
    return outcome;
  }

  /** SIGHUP and `apply`: reads the configuration anew and reconciles. */
  apply(file?: string, isWanted = (): boolean => true): Promise<Outcome> {
    return this.#whenWanted(isWanted, async () => {
      this.#notifier.reloading();
      try {
        await this.#load(file);
        return await this.#reconcile();
      } finally {
        this.#sayReady();
      }
    });
  }

  /** Unmounts everything and ends the server. Busy mounts are detached: their open files work until they are closed or the server ends. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    this.#notifier.stopping();
    this.#unwatch?.();
    this.#server.hurry();
    await this.#queue.run(async () => {
      this.#handover?.close();
      await this.#links.close();
      // The mounts stay in the kernel and their descriptors in the manager's store; requests wait for the next daemon's server.
      const keepMounts = this.#options.managed && (await isRestart());
      if (keepMounts) this.#markRestart();
      else for (const target of this.#deepestFirst()) await unmountAtEnd(target, this.#mounts, this.#log);
      await this.#server.stop(keepMounts);
      await this.#lanes.close();
      this.#instance.deafen();
      // The process may have to wait yet for a look at a storage that hangs.
      this.#instance.release();
    });
  }

  // Without the mark (no room for it) whoever cleans up after this service takes the mounts for leftovers.
  #markRestart(): void {
    try {
      writeFileSync(this.#restartMark, "");
    } catch (error) {
      this.#log.warn({ error: String(error) }, "the restart could not be marked");
    }
  }

  #deepestFirst(): string[] {
    const bound = (this.#desired?.mounts ?? []).filter((spec) => spec.method === "bind" && isMounted(spec.target));
    return [...this.#server.mountpoints, ...bound.map((spec) => spec.target)].sort((a, b) => b.length - a.length);
  }

  async #loadAtStart(): Promise<void> {
    try {
      await this.#load();
    } catch (error) {
      if (!this.#options.managed || !(error instanceof HmpersistError)) throw error;
      this.#log.error({ detail: error.message }, "configuration refused, nothing is mounted");
    }
  }

  // A service's configuration may lie on a disk that comes, or answers, after the service was started.
  #loadLate(): void {
    if (this.#config !== undefined) return;
    const work = async (): Promise<void> => {
      if (this.#config !== undefined || this.#stopping) return;
      await this.#load();
      await this.#reconcile();
      this.#sayStatus();
    };
    this.#queue.run(work).catch((error: unknown) => {
      if (!(error instanceof HmpersistError)) return this.#log.error({ err: error }, "repair failed");
      clearTimeout(this.#loadAgain);
      if (error.code === "HMP_ENVIRONMENT") this.#loadAgain = setTimeout(() => this.#loadLate(), LOAD_AGAIN_MS).unref();
    });
  }

  async #load(file?: string): Promise<void> {
    try {
      const { config, file: used } = await this.#options.load(file ?? this.#configFile ?? undefined);
      this.#config = config;
      this.#configFile = used;
      this.#desired = makeDesired(config, { root: process.geteuid?.() === 0 });
      this.#problems = [];
      this.#engine = undefined;
      this.#entries.replace(this.#desired);
    } catch (error) {
      if (!(error instanceof HmpersistError)) throw error;
      this.#problems = [`the configuration was not taken: ${error.message}`];
      throw error;
    }
  }

  async #reconcile(): Promise<Outcome> {
    await this.#warmUp();
    this.#seenStorages = this.#storageFingerprint();
    const failed = new Map<string, ExitCode>();
    let plan = await this.#plan();
    // A mount that goes may hide what the next plan has to see; one that does not go must not be waited for.
    for (let round = 1; ; round += 1) {
      const failures = await carryOut(plan, {
        mounts: this.#mounts,
        links: this.#links,
        directories: this.#directories,
        entries: this.#entries,
        engine: () => this.#selectEngine(),
        patiently: (work) => this.#patiently(work),
        isStopping: () => this.#stopping,
        log: this.#log,
      });
      for (const [target, code] of failures) failed.set(target, code);
      if (plan.postponed.length === 0 || failures.size > 0 || round === MAX_ROUNDS) break;
      plan = await this.#plan();
    }
    for (const target of plan.postponed) failed.set(target, EXIT.partial);
    this.#refusals = plan.refusals;
    for (const refusal of plan.refusals) this.#log.warn({ ...refusal }, "refused");
    const unplaced = new Set([...failed.keys(), ...plan.refusals.map((refusal) => refusal.target)]);
    this.#incomplete = unplaced.size > 0;
    if (this.#desired !== undefined) await this.#links.watch(this.#desired, unplaced);
    const report = await this.#report();
    return { exitCode: worstOf([...failed.values()], plan.refusals.length), report };
  }

  // The manager's patience is for what hangs; data that move take their time.
  async #patiently(work: () => Promise<void>): Promise<void> {
    const end = monotonicMs() + ADOPT_MS;
    const extend = (): void => {
      if (!this.#stopping && monotonicMs() < end) this.#notifier.extend();
    };
    extend();
    const timer = setInterval(extend, EXTEND_MS);
    await work().finally(() => clearInterval(timer));
  }

  // What takes its time to start does so while the daemon looks around.
  async #warmUp(): Promise<void> {
    const served = this.#desired?.mounts.filter((spec) => spec.method === "fuse") ?? [];
    if (served.length === 0 || this.#server.pid !== undefined) return;
    try {
      this.#server.warm((await this.#selectEngine()).name, [...new Set(served.map((spec) => spec.storage))]);
    } catch (error) {
      // No engine can run here; whoever mounts will say so.
      if (!(error instanceof HmpersistError)) throw error;
    }
  }

  async #plan(): Promise<Plan> {
    const desired = this.#desired;
    if (desired === undefined) return { actions: [], refusals: [], kept: [], postponed: [] };
    const held = this.#mounts.held();
    await this.#links.open(desired.home);
    await this.#links.heal(desired);
    return makePlan(desired, await this.#observer.observe(desired, held, this.#links.own()));
  }

  #selectEngine(): Promise<EngineProbe> {
    this.#engine ??= selectEngine(this.#config?.engine ?? "auto", probeEngines);
    return this.#engine;
  }

  // Who asked may have gone while others were served, or while this process was stopped: then it is not done behind their back.
  #whenWanted<T>(isWanted: () => boolean, work: () => Promise<T>): Promise<T> {
    return this.#queue.run(async () => {
      if (!isWanted()) throw new HmpersistError("HMP_TIMEOUT", "who asked for this has gone");
      return work();
    });
  }

  async #handle(request: ControlRequest, isWanted: () => boolean): Promise<unknown> {
    switch (request.command) {
      case "status":
        return this.#report();
      case "settings":
        return { settings: this.#options.settings, file: this.#configFile } satisfies Followed;
      case "plan":
        return this.#queue.run(async () => {
          const plan = await this.#plan();
          return { lines: explainPlan(plan), refusals: plan.refusals, actions: plan.actions.length };
        });
      case "apply":
        if (request.restartServer === true) await this.#whenWanted(isWanted, () => this.#server.restart());
        return this.apply(request.config, isWanted);
      case "unmount":
        return this.#unmountCommand(request.lazy, request.targets, isWanted);
    }
  }

  async #unmountCommand(
    lazy: boolean,
    targets: readonly string[] | undefined,
    isWanted: () => boolean,
  ): Promise<{ unmounted: string[]; busy: Record<string, string> }> {
    // All goes, and then the daemon.
    if (this.#stopping) return { unmounted: [], busy: {} };
    const result = await this.#whenWanted(isWanted, async () => {
      const unmounted: string[] = [];
      const busy: Record<string, string> = {};
      for (const target of this.#deepestFirst()) {
        if (targets !== undefined && !targets.includes(target)) continue;
        const holders = await this.#mounts.unmount(target, lazy);
        if (holders.length > 0 || isMounted(target)) {
          busy[target] = describeHolders(holders);
        } else {
          unmounted.push(target);
          this.#entries.set(target, "missing", "unmounted on request; 'hmpersist apply' mounts it again");
        }
      }
      return { unmounted, busy };
    });
    // The reply goes out first; a daemon without mounts has nothing left to do.
    if (targets === undefined && Object.keys(result.busy).length === 0) setImmediate(() => process.kill(process.pid, "SIGTERM"));
    return result;
  }

  #mountEnded(mountpoint: string, reason: string | undefined): void {
    if (this.#stopping || this.#entries.stateOf(mountpoint) !== "mounted") return;
    this.#entries.set(mountpoint, "missing", reason ?? "unmounted by somebody else; 'hmpersist apply' mounts it again");
    this.#log.warn({ mount: mountpoint, reason }, "mount ended");
    this.#sayStatus();
  }

  #serverDied(how: string, lost: readonly string[]): void {
    this.#log.error({ how, lost: lost.length }, "server died");
    for (const mountpoint of lost) this.#entries.set(mountpoint, "dead", `its server died (${how})`);
    if (lost.length > 0) this.#repair();
  }

  #mountLost(mountpoint: string, reason: string): void {
    this.#entries.set(mountpoint, "dead", reason);
    this.#repair();
  }

  /** Reconciles because of what happened, not because somebody asked; once for all that happened until it begins. */
  #repair(): void {
    if (this.#stopping || this.#isRepairDue) return;
    this.#isRepairDue = true;
    const work = async (): Promise<void> => {
      this.#isRepairDue = false;
      if (this.#stopping) return;
      await this.#reconcile();
      this.#sayStatus();
    };
    void this.#queue.run(work).catch((error: unknown) => this.#log.error({ err: error }, "repair failed"));
  }

  #renewInstance(): void {
    const work = async (): Promise<void> => {
      if (await this.#instance.renew()) this.#fdStore.save();
    };
    void this.#queue.run(work).catch((error: unknown) => this.#log.error({ err: error }, "runtime directory not looked at"));
  }

  // A storage that came, went or was covered by another file system: what is mounted is compared with what is there.
  #mountTableChanged(): void {
    this.#renewInstance();
    this.#loadLate();
    const now = this.#storageFingerprint();
    if (now === this.#seenStorages) return;
    this.#log.info({}, "the file system of a storage changed");
    this.#repair();
  }

  #storageFingerprint(): string {
    return fingerprint(storagesOf(this.#desired), readMountinfo());
  }

  async #report(): Promise<StatusReport> {
    // A look that comes late brings the entries up to date for the next report.
    const tools = { mounts: this.#mounts, observer: this.#observer, entries: this.#entries };
    const looks = Promise.all([this.#links.check(), checkStaleness(this.#desired?.mounts ?? [], tools)]);
    const [stats] = await Promise.all([this.#server.stats(), within(looks, LOOK_MS, undefined)]);
    return makeReport({
      server: this.#server,
      observer: this.#observer,
      entries: this.#entries,
      stats,
      home: this.#config?.home,
      configFile: this.#configFile,
      refusals: this.#refusals,
      problems: this.#problems,
      stopping: this.#stopping,
      startedMs: this.#startedMs,
    });
  }

  #summary(): string {
    const { mounted, linked, other } = this.#entries.count();
    return `${mounted} mounted, ${linked} linked${other > 0 ? `, ${other} not in place: see 'hmpersist status'` : ""}${this.#problems.length > 0 ? `; ${this.#problems[0]}` : ""}`;
  }

  #sayReady(): void {
    this.#notifier.ready(this.#summary());
  }

  #sayStatus(): void {
    this.#notifier.status(this.#summary());
  }
}

const storagesOf = (desired: Desired | undefined): Set<string> =>
  new Set([...(desired?.mounts ?? []), ...(desired?.links ?? [])].map((spec) => spec.storage));

// What the machine lacks comes first: nothing else can be mended before it.
function worstOf(failures: readonly ExitCode[], refusals: number): ExitCode {
  if (failures.includes(EXIT.environment)) return EXIT.environment;
  if (failures.length > 0) return EXIT.partial;
  return refusals > 0 ? EXIT.refused : EXIT.done;
}
