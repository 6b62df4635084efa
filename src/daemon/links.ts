// The link half of the daemon: has the link keeper place, take away and watch links, and tells the entries what came of it.
import { createLinkKeeper, type LinkKeeper } from "../link/keeper.ts";
import type { Lanes } from "../link/lanes.ts";
import type { LinkState, LinkStatus } from "../link/types.ts";
import type { Log } from "../log.ts";
import type { Obstacle } from "../plan/obstacles.ts";
import type { Desired, LinkSpec, Spec } from "../plan/types.ts";
import { HmpersistError } from "../errors.ts";
import { SysError } from "../sys/errno.ts";
import type { Entries } from "./entries.ts";
import type { EntryState } from "./status.ts";

/** "ok" says what the entry's history adds: a link that was mended shows as healed. */
const STATES: Record<LinkState, EntryState> = {
  ok: "linked",
  dangling: "dangling",
  healing: "pending",
  conflicted: "conflicted",
  failed: "missing",
  unplaced: "missing",
};

export interface LinkOptions {
  readonly stateDir: string;
  readonly lanes: Lanes;
  /** Why nothing may be made in a storage now. */
  readonly unmounted: (storage: string) => Obstacle | undefined;
  /** What an earlier daemon remembered is known only now. */
  readonly remembered: () => void;
}

export class Links {
  readonly #entries: Entries;
  readonly #log: Log;
  readonly #options: LinkOptions;
  #keeper: LinkKeeper | undefined;
  #home: string | undefined;

  constructor(entries: Entries, log: Log, options: LinkOptions) {
    this.#entries = entries;
    this.#log = log;
    this.#options = options;
  }

  /** Follows the configuration to another home. One that cannot be opened is tried again; the plan says what is wrong with it. */
  async open(home: string): Promise<void> {
    if (home === this.#home) return;
    await this.close();
    try {
      this.#keeper = createLinkKeeper({
        home,
        ...this.#options,
        log: (level, fields, message) => this.#log[level](fields, message),
        changed: () => this.refresh(),
      });
      this.#home = home;
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      this.#log.error({ home, error: error.message }, "home cannot be opened");
    }
  }

  /** Links made by this or an earlier daemon: target -> text. */
  own(): ReadonlyMap<string, string> {
    return this.#keeper?.ownLinks() ?? new Map<string, string>();
  }

  /** @throws HmpersistError HMP_CONFLICT or HMP_REFUSED with what is in the way. */
  async place(spec: LinkSpec): Promise<void> {
    const outcome = await this.#keeper?.place(spec);
    if (outcome === undefined) return;
    if (outcome.result === "conflict") throw new HmpersistError("HMP_CONFLICT", outcome.reason, outcome.hint);
    if (outcome.result === "failed") throw new HmpersistError("HMP_REFUSED", outcome.reason, outcome.hint);
  }

  /** Copies what lies in the way of a mount or link into storage and sets it aside. @throws HmpersistError if it stays where it is. */
  async adopt(spec: Spec): Promise<void> {
    if (isAdoptedByPlacing(spec)) return;
    const outcome = await this.#keeper?.adopt(spec, true);
    if (outcome?.result === "refused") throw new HmpersistError("HMP_CONFLICT", outcome.reason, outcome.hint);
    this.#log.info({ target: spec.target, source: spec.source }, "adopted");
  }

  /** Removes what was set aside. @throws HmpersistError with what is left of it. */
  async dropAdopted(spec: Spec): Promise<void> {
    if (isAdoptedByPlacing(spec)) return;
    const outcome = await this.#keeper?.adopt(spec, false);
    if (outcome !== undefined && outcome.result !== "adopted") throw new HmpersistError("HMP_PARTIAL", outcome.reason, outcome.hint);
  }

  /** @throws HmpersistError if a link of ours could not be taken away. */
  async remove(target: string, text: string): Promise<void> {
    const outcome = await this.#keeper?.remove(target, text);
    if (outcome?.result === "failed") throw new HmpersistError("HMP_REFUSED", outcome.reason, outcome.hint);
  }

  /** Heals what programs replaced while nobody watched, so that the plan meets no conflict that is none. */
  async heal(desired: Desired): Promise<void> {
    await this.#keeper?.keep(desired.links);
  }

  /** Watches exactly these links from here on; `without` are those that could not be placed, kept only where our link was: its healing is tried again. */
  async watch(desired: Desired, without: ReadonlySet<string>): Promise<void> {
    await this.#keeper?.keep(desired.links.filter((spec) => !without.has(spec.target) || this.own().get(spec.target) === spec.source));
    this.refresh();
  }

  /** Brings the entries up to date with what no event tells. */
  async check(): Promise<void> {
    await this.#keeper?.check();
    this.refresh();
  }

  refresh(): void {
    for (const link of this.#keeper?.status() ?? []) {
      // Why a link is not in place is known from the plan or the attempt; the keeper only knows that it is not.
      if (link.state === "unplaced") continue;
      this.#entries.setLink(link.target, stateOf(link), detailOf(link), link);
    }
  }

  async close(): Promise<void> {
    await this.#keeper?.close();
    this.#keeper = undefined;
    this.#home = undefined;
  }
}

const isAdoptedByPlacing = (spec: Spec): boolean => spec.kind === "link" && spec.what === "file";

const stateOf = (link: LinkStatus): EntryState => (link.state === "ok" && link.healed > 0 ? "healed" : STATES[link.state]);
const detailOf = (link: LinkStatus): string | undefined =>
  link.reason === undefined ? undefined : [link.reason, link.hint].filter((part) => part !== undefined).join("; ");
