// One link under the keeper's eyes: when it is looked at, what came of it, what `status` says. Placing it and looks at it never overlap,
// and a sign that comes during one is followed by a look. However long one takes: it is waited for here, and by nobody else.
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs } from "../sys/clock.ts";
import type { LinkSpec } from "../plan/types.ts";
import type { HealOptions } from "./heal.ts";
import type { KeeperLog } from "./keeper.ts";
import type { LinkMemory } from "./memory.ts";
import { Pace } from "./pace.ts";
import { withBackup } from "./backup.ts";
import type { HealOutcome, LinkOutcome, LinkRecord, LinkState, LinkStatus, Taken } from "./types.ts";

/** Programs that delete and create again do so within this. */
const DELETED_MS = 700;
/** A file that is written for longer than this goes to storage as it is. */
const SNAPSHOT_AFTER_MS = 5_000;
const BUSY_MS = 100;
const BUSY_MAX_MS = 5_000;
const FAILED_MS = 1_000;
/** Nobody waits longer for a look. */
const SLOW_MS = 1_500;
/** At the end a file that is being written or created again is tried so often. */
const LAST_TRIES = 5;
const LAST_PAUSE_MS = 200;

export interface KeptLinkTools {
  readonly memory: LinkMemory;
  readonly log: KeeperLog;
  readonly changed: () => void;
  /** Runs healLink in a thread of the storage; `stands`: nothing is in the link's place, so it is a look and no more. */
  readonly heal: (spec: LinkSpec, record: LinkRecord, options: HealOptions, stands: boolean) => Promise<HealOutcome>;
}

export class KeptLink {
  readonly spec: LinkSpec;
  readonly #tools: KeptLinkTools;
  readonly #pace = new Pace(() => void this.look());
  #state: LinkState = "unplaced";
  #reason: string | undefined;
  #hint: string | undefined;
  #busySince: number | undefined;
  #running: Promise<void> | undefined;
  /** Resolves when what runs is done or takes long. */
  #answer: Promise<void> = Promise.resolve();
  #slow = false;
  /** Somebody asked for a look during one. */
  #again = false;
  #stopped = false;
  /** The last snapshot of the file that stands in its place, if one went to storage. */
  #taken: Taken | undefined;

  constructor(spec: LinkSpec, tools: KeptLinkTools) {
    this.spec = spec;
    this.#tools = tools;
  }

  /** Something happened at its place. */
  sign(): void {
    if (!this.#stopped) this.#pace.sign();
  }

  /**
   * Heals it now, if it was ever ours. Resolves when that is done, or when it takes long: it goes on then. Never rejects.
   * @param relink put a deleted link back at once
   * @param stands it was seen to be in its place a moment ago
   */
  look(relink = false, stands = false): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#pace.stop();
    if (this.#running !== undefined) this.#again = true;
    else this.#begin(this.#look(relink, stands));
    return this.#answer;
  }

  /** What runs takes long. */
  get slow(): boolean {
    return this.#slow;
  }

  /** Places it by `work`; undefined if that, or a look before it, takes long: it goes on. @param wait whether to wait for it at all */
  async place(work: () => Promise<LinkOutcome>, wait: boolean): Promise<LinkOutcome | undefined> {
    while (this.#running !== undefined) {
      if (this.#slow) return undefined;
      await this.#answer;
    }
    let outcome: LinkOutcome | undefined;
    this.#begin(work().then((done) => this.#placed((outcome = done))));
    if (wait) await this.#answer;
    return outcome;
  }

  #begin(work: Promise<void>): void {
    let timer: NodeJS.Timeout | undefined;
    const slow = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#slow = true;
        this.#set("healing", `${this.spec.storage} takes long to answer`, "check the disk or network behind it if that stays so");
        resolve();
      }, SLOW_MS);
    });
    this.#running = work.finally(() => {
      clearTimeout(timer);
      this.#slow = false;
      this.#running = undefined;
      if (this.#again) this.sign();
      this.#again = false;
    });
    this.#answer = Promise.race([this.#running, slow]);
  }

  /** Ends it. @param due it does not stand as it should: what is in its place goes to storage first */
  async end(due: boolean): Promise<void> {
    this.#stopped = true;
    this.#pace.stop();
    const looking = this.#running !== undefined;
    await this.#running;
    if (!due && !looking) return;
    for (let tries = 1; tries <= LAST_TRIES; tries += 1) {
      const outcome = await this.#heal({ relink: false, snapshot: true });
      if (outcome?.result !== "busy" || outcome.known !== undefined) return;
      await sleep(LAST_PAUSE_MS);
    }
  }

  status(): LinkStatus {
    const { healed = 0, lastHealed, backups = [] } = this.#tools.memory.get(this.spec.target) ?? {};
    const { target, source } = this.spec;
    return { target, source, state: this.#state, healed, lastHealed, backups, reason: this.#reason, hint: this.#hint };
  }

  /** The first write through the link made its file. */
  noLongerDangling(): void {
    if (this.#state === "dangling") this.#set("ok");
  }

  #placed(outcome: LinkOutcome): void {
    const { target, source } = this.spec;
    if (outcome.result === "conflict" || outcome.result === "failed") {
      this.#set(outcome.result === "conflict" ? "conflicted" : "failed", outcome.reason, outcome.hint);
      return;
    }
    const backups = this.#tools.memory.get(target)?.backups ?? [];
    const added = outcome.result === "backed-up" ? [outcome.backup] : [];
    this.#tools.memory.set(target, { text: source, known: outcome.known, backups: [...backups, ...added] });
    this.#stands(outcome.known === undefined);
  }

  async #look(relink: boolean, stands: boolean): Promise<void> {
    const deleted = this.#busySince !== undefined && monotonicMs() - this.#busySince >= DELETED_MS;
    const snapshot = this.#busySince !== undefined && monotonicMs() - this.#busySince >= SNAPSHOT_AFTER_MS;
    await this.#heal({ relink: relink || deleted, snapshot, taken: this.#taken }, stands);
  }

  async #heal(options: HealOptions, stands = false): Promise<HealOutcome | undefined> {
    const record = this.#tools.memory.get(this.spec.target);
    if (record === undefined) return undefined;
    try {
      const outcome = await this.#tools.heal(this.spec, record, options, stands);
      this.#took(outcome, record);
      return outcome;
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error), "see the log");
      return undefined;
    }
  }

  #took(outcome: HealOutcome, record: LinkRecord): void {
    const { target, source } = this.spec;
    const { memory, log } = this.#tools;
    const { known, backup } = outcome;
    const backups = withBackup(record.backups, backup);
    const stood = outcome.result === "ok" || outcome.result === "relinked";
    const changed = stood ? known?.mtimeNs !== record.known?.mtimeNs : known !== undefined;
    if (changed || backup !== undefined) memory.set(target, { text: source, known, backups });
    if (outcome.result === "busy") {
      this.#taken = outcome.taken ?? this.#taken;
      return this.#busy(outcome.reason);
    }
    this.#taken = undefined;
    this.#busySince = undefined;
    if (outcome.result === "conflict") {
      if (this.#state !== "conflicted") log("warn", { link: target, reason: outcome.reason }, "link conflicted");
      return this.#set("conflicted", outcome.reason, outcome.hint);
    }
    if (outcome.result === "failed") return this.#failed(outcome.reason, outcome.hint);
    this.#pace.succeeded();
    if (outcome.result === "healed") {
      const { bytes, lost } = outcome;
      memory.set(target, { text: source, healed: record.healed + 1, lastHealed: new Date().toISOString() });
      this.#pace.healed();
      log("info", { link: target, source, bytes, ...(backup === undefined ? {} : { backup }) }, "link healed");
      if (lost.length > 0) log("warn", { link: target, lost }, "storage cannot hold everything");
    } else if (outcome.result === "relinked") log("info", { link: target, source }, "link put back");
    this.#stands(known === undefined);
  }

  #busy(reason: string): void {
    this.#busySince ??= monotonicMs();
    const since = monotonicMs() - this.#busySince;
    this.#set("healing", reason);
    if (!this.#stopped) this.#pace.after(Math.min(BUSY_MAX_MS, Math.max(BUSY_MS, since)));
  }

  #failed(reason: string, hint: string): void {
    if (this.#reason !== reason) this.#tools.log("error", { link: this.spec.target, reason, hint }, "link not healed");
    this.#set("failed", reason, hint);
    if (!this.#stopped) this.#pace.failed(FAILED_MS);
  }

  #stands(empty: boolean): void {
    this.#set(empty && this.spec.what === "file" ? "dangling" : "ok");
  }

  #set(state: LinkState, reason?: string, hint?: string): void {
    const same = this.#state === state && this.#reason === reason;
    this.#state = state;
    this.#reason = reason;
    this.#hint = hint;
    if (!same) this.#tools.changed();
  }
}
