// Keeps the links of one daemon: places them, watches their parents, heals what programs replaced, remembers it. The only door the
// daemon uses; file-system calls run in one worker thread per storage, so that a stuck storage stalls only its own links.
import type { Obstacle } from "../plan/obstacles.ts";
import type { Found, LinkSpec, Spec } from "../plan/types.ts";
import { KeptLink, type KeptLinkTools } from "./kept-link.ts";
import type { Lanes } from "./lanes.ts";
import { LinkMemory } from "./memory.ts";
import type { AdoptOutcome, LinkOutcome, LinkStatus, RemoveOutcome } from "./types.ts";
import { LinkWatch } from "./watch.ts";
import { within } from "../within.ts";

export type KeeperLog = (level: "info" | "warn" | "error", fields: Readonly<Record<string, unknown>>, message: string) => void;

export interface KeeperOptions {
  readonly home: string;
  /** A private directory that may vanish with the home (the memory of a lost home is worthless). */
  readonly stateDir: string;
  /** Whoever made them closes them, after the keeper. */
  readonly lanes: Lanes;
  readonly log: KeeperLog;
  /** Called after the state of any link changed. */
  readonly changed?: () => void;
  /** What an earlier run remembered is known only now: keep and plan again. */
  readonly remembered?: () => void;
  /** Why nothing may be made in a storage now: what stands there is the bare mountpoint of a disk that is not mounted. */
  readonly unmounted?: (storage: string) => Obstacle | undefined;
}

export interface LinkKeeper {
  /**
   * What stands at each of `paths`, never following a link and never waiting for a stuck storage longer than the deadline ("error",
   * ETIMEDOUT). `root` says what may be stuck together: a persistentStoragePath, or the home.
   */
  observe(root: string, paths: readonly string[]): Promise<ReadonlyMap<string, Found>>;
  /** For `Observation.ownLinks`: the links of this home that an earlier run or this one made. Known after `keep`. */
  ownLinks(): ReadonlyMap<string, string>;
  /**
   * Makes the parents and the link; what is in the way of a link that was ours is healed, else `onConflict` decides. What takes long goes
   * on, and `status` says what comes of it. Never rejects.
   */
  place(spec: LinkSpec): Promise<LinkOutcome>;
  /**
   * Moves what stands in the way of a mount or of a linked directory into storage; an empty mountpoint or a link stays. With
   * `keepOriginal` the original is left beside it for a second call to remove. Never rejects.
   */
  adopt(spec: Spec, keepOriginal: boolean): Promise<AdoptOutcome>;
  /** Only if it is still the link with this text. Never rejects. */
  remove(target: string, text: string): Promise<RemoveOutcome>;
  /**
   * From now on exactly these links are watched and healed; resolves when what had happened before is healed, except what takes long.
   * Call it before a plan is made as well as after: what it heals is no conflict any more.
   */
  keep(specs: readonly LinkSpec[]): Promise<void>;
  /** In the order given to `keep`. */
  status(): readonly LinkStatus[];
  /** Looks which dangling links still dangle: the first write through one is seen by nobody. Answers within a deadline. */
  check(): Promise<void>;
  /** Ends watching. What programs put in the place of links is healed before, as far as storages answer in time. */
  close(): Promise<void>;
}

const LOOK_MS = 1_500;
const REMOVE_MS = 20_000;
/** Less than a service manager waits (TimeoutStopSec), since unmounting follows. */
const CLOSE_MS = 18_000;
/** For links that stand, but are looked at. */
const END_MS = 5_000;
/** Watching misses nothing that is known of; this is for what is not. */
const SWEEP_MS = 300_000;
const POLL_MS = 2_000;

export const createLinkKeeper = (options: KeeperOptions): LinkKeeper => new Keeper(options);

class Keeper implements LinkKeeper {
  readonly #options: KeeperOptions;
  readonly #memory: LinkMemory;
  readonly #links = new Map<string, KeptLink>();
  /** Last healings that nobody waits for any more, but the end. */
  readonly #ending = new Set<Promise<void>>();
  readonly #watch: LinkWatch;
  #sweep: NodeJS.Timeout | undefined;
  #polling = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    const { home, stateDir, log } = options;
    this.#memory = new LinkMemory(stateDir, home, {
      failed: (error) => log("warn", { error: String(error), stateDir }, "links not remembered"),
      late: () => options.remembered?.(),
    });
    this.#watch = new LinkWatch({
      home,
      touched: (targets) => targets.forEach((target) => this.#links.get(target)?.sign()),
      lost: (error) => this.#poll(error),
    });
  }

  async observe(root: string, paths: readonly string[]): Promise<ReadonlyMap<string, Found>> {
    const late = (): ReadonlyMap<string, Found> => new Map(paths.map((path) => [path, { type: "error", errno: "ETIMEDOUT" }]));
    return paths.length === 0 ? new Map() : this.#options.lanes.of(root).run({ type: "observe", paths }, LOOK_MS).catch(late);
  }

  ownLinks(): ReadonlyMap<string, string> {
    return this.#memory.texts();
  }

  async place(spec: LinkSpec): Promise<LinkOutcome> {
    const link = this.#link(spec);
    const record = this.#memory.get(spec.target);
    if (record?.text === spec.source) {
      await link.look(true);
      const { state, reason = "", hint = "" } = link.status();
      // A program is writing there, or its storage is slow: it becomes a link again when they are done.
      if (state === "healing") return { result: "kept", known: record.known };
      if (state === "failed") return { result: "failed", errno: "EIO", reason, hint };
      // It stands, so what comes into its place from here on is a program's, even if it is empty: healed, not replaced.
      if (spec.what === "file" && (state === "ok" || state === "dangling")) return { result: "kept", known: record.known };
    }
    const { home, lanes } = this.#options;
    const work = (): Promise<LinkOutcome> =>
      lanes
        .of(spec.storage)
        .run({ type: "place", spec, home, own: record?.text })
        .catch((error: unknown): LinkOutcome => failure(error));
    // One wait for each storage is enough to know that it is slow.
    const slow = [...this.#links.values()].some((other) => other.slow && other.spec.storage === spec.storage);
    return (await link.place(work, !slow)) ?? { result: "kept", known: record?.known };
  }

  async adopt(spec: Spec, keepOriginal: boolean): Promise<AdoptOutcome> {
    const { home, lanes } = this.#options;
    return lanes
      .adopting(spec.storage)
      .run({ type: "adopt", spec, home, keepOriginal })
      .catch((error: unknown): AdoptOutcome => ({ ...failure(error), result: "refused" }));
  }

  async remove(target: string, text: string): Promise<RemoveOutcome> {
    const link = this.#links.get(target);
    this.#links.delete(target);
    if (link !== undefined) await this.#end([link], LOOK_MS);
    const { home, lanes } = this.#options;
    const outcome = await lanes
      .of(home)
      .run({ type: "remove", target, text, home }, REMOVE_MS)
      .catch((error: unknown) => failure(error));
    if (outcome.result === "failed") return outcome;
    this.#memory.forget(target);
    const { backup } = outcome;
    if (backup !== undefined) this.#options.log("warn", { link: target, backup }, "an unfinished healing was kept aside");
    return outcome;
  }

  async keep(specs: readonly LinkSpec[]): Promise<void> {
    await this.#memory.ready;
    const targets = specs.map((spec) => spec.target);
    const wanted = new Map(specs.map((spec) => [spec.target, spec]));
    const dropped = [...this.#links.values()].filter((link) => !isSame(wanted.get(link.spec.target), link.spec));
    for (const link of dropped) this.#links.delete(link.spec.target);
    await this.#end(dropped, LOOK_MS);
    const links = specs.map((spec) => this.#link(spec));
    // In the order of the configuration.
    this.#links.clear();
    for (const link of links) this.#links.set(link.spec.target, link);
    if (!this.#polling) await this.#watch.set(targets);
    const standing = await this.#recognise(links);
    await Promise.all(links.map((link) => link.look(false, standing.has(link))));
    this.#schedule();
  }

  status(): readonly LinkStatus[] {
    return [...this.#links.values()].map((link) => link.status());
  }

  async check(): Promise<void> {
    const dangling = [...this.#links.values()].filter((link) => link.status().state === "dangling");
    const storages = new Set(dangling.map((link) => link.spec.storage));
    await Promise.all(
      [...storages].map(async (storage) => {
        const here = dangling.filter((link) => link.spec.storage === storage);
        const sources = here.map((link) => link.spec.source);
        const found = await this.observe(storage, sources);
        for (const link of here) if (found.get(link.spec.source)?.type === "file") link.noLongerDangling();
      }),
    );
  }

  async close(): Promise<void> {
    clearTimeout(this.#sweep);
    await within(this.#watch.close(), LOOK_MS, undefined);
    const dropped = within(Promise.all(this.#ending), CLOSE_MS, undefined);
    await Promise.all([dropped, this.#end([...this.#links.values()], CLOSE_MS)]);
    await within(this.#memory.close(), LOOK_MS, undefined);
    clearTimeout(this.#sweep);
  }

  // What happened to a link is seen here even if no event told of it yet. A storage that does not answer holds up nobody but its links.
  async #end(links: readonly KeptLink[], ms: number): Promise<void> {
    const found = await this.observe(
      this.#options.home,
      links.map((link) => link.spec.target),
    );
    const end = async (link: KeptLink): Promise<void> => {
      const due = !stands(link.spec, found.get(link.spec.target));
      const ending = link.end(due).finally(() => this.#ending.delete(ending));
      this.#ending.add(ending);
      await within(ending, due ? ms : Math.min(ms, END_MS), undefined);
    };
    await Promise.all(links.map(end));
  }

  // Those that stand as wanted; such a link is ours even if nobody remembers making it.
  async #recognise(links: readonly KeptLink[]): Promise<ReadonlySet<KeptLink>> {
    const found = await this.observe(
      this.#options.home,
      links.map((link) => link.spec.target),
    );
    const standing = links.filter(({ spec }) => stands(spec, found.get(spec.target)));
    for (const { spec } of standing) {
      const known = this.#memory.get(spec.target)?.text === spec.source;
      if (!known) this.#memory.set(spec.target, { text: spec.source, known: undefined });
    }
    return new Set(standing);
  }

  #poll(error: Error): void {
    if (this.#polling) return;
    this.#polling = true;
    this.#options.log("warn", { error: error.message, seconds: POLL_MS / 1000 }, "cannot watch, polling links instead");
    void this.#watch.close();
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#sweep);
    this.#sweep = setTimeout(() => void this.#sweepAll(), this.#polling ? POLL_MS : SWEEP_MS).unref();
  }

  // Only links that do not stand as they should are looked at closely.
  async #sweepAll(): Promise<void> {
    const found = await this.observe(this.#options.home, [...this.#links.keys()]);
    for (const [target, at] of found) {
      const link = this.#links.get(target);
      if (link !== undefined && at.type !== "error" && !stands(link.spec, at)) link.sign();
    }
    this.#schedule();
  }

  #link(spec: LinkSpec): KeptLink {
    const existing = this.#links.get(spec.target);
    if (existing !== undefined && isSame(existing.spec, spec)) return existing;
    void existing?.end(true);
    const { home, lanes, log, changed = () => {}, unmounted = () => undefined } = this.#options;
    const tools: KeptLinkTools = {
      memory: this.#memory,
      log,
      changed,
      heal: async (wanted, record, options, stands) => {
        const bare = unmounted(wanted.storage);
        if (bare !== undefined) return { result: "failed", errno: "ENODEV", ...bare };
        const lane = stands ? lanes.of(wanted.storage) : lanes.healing(wanted.storage);
        return lane.run({ type: "heal", spec: wanted, home, record, options });
      },
    };
    const link = new KeptLink(spec, tools);
    this.#links.set(spec.target, link);
    return link;
  }
}

const stands = (spec: LinkSpec, found: Found | undefined): boolean => found?.type === "link" && found.text === spec.source;

const isSame = (a: LinkSpec | undefined, b: LinkSpec): boolean => JSON.stringify(a) === JSON.stringify(b);

const failure = (
  error: unknown,
): { readonly result: "failed"; readonly errno: string; readonly reason: string; readonly hint: string } => ({
  result: "failed",
  errno: "ETIMEDOUT",
  reason: error instanceof Error ? error.message : String(error),
  hint: "check the disk or network behind it, then run 'hmpersist apply'",
});
