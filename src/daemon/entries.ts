// What the daemon knows of each entry of the configuration, by target; `status` prints it. Updated by whoever acts on an entry.
import type { EngineName, ServeStats } from "../engine/engine.ts";
import type { Desired, Refusal, Spec } from "../plan/types.ts";
import { word } from "../shell.ts";
import type { EntryState, EntryStatus } from "./status.ts";

interface Entry {
  spec: Spec;
  state: EntryState;
  detail: string | undefined;
  healed: { count: number; last: number } | undefined;
  backups: readonly string[];
}

/** A mount that perhaps no entry is for. */
export interface LeftMount {
  readonly mountpoint: string;
  readonly source: string;
  readonly storage: string;
  readonly why: string | undefined;
}

interface LinkHistory {
  readonly healed: number;
  readonly lastHealed: string | undefined;
  readonly backups: readonly string[];
}

const HEALTHY: readonly EntryState[] = ["mounted", "linked", "dangling", "healed"];

export class Entries {
  readonly #entries = new Map<string, Entry>();
  /** What was said last of a target that no entry is for: why it could not be unmounted. */
  readonly #others = new Map<string, string>();

  /** Follows a new configuration: known entries keep their state, others begin as pending. */
  replace(desired: Desired): void {
    const specs = [...desired.mounts, ...desired.links];
    const targets = new Set(specs.map((spec) => spec.target));
    this.#others.clear();
    for (const target of this.#entries.keys()) if (!targets.has(target)) this.#entries.delete(target);
    for (const spec of specs) {
      const known = this.#entries.get(spec.target);
      if (known === undefined)
        this.#entries.set(spec.target, { spec, state: "pending", detail: undefined, healed: undefined, backups: [] });
      else known.spec = spec;
    }
  }

  set(target: string, state: EntryState, detail?: string): void {
    const entry = this.#entries.get(target);
    if (entry === undefined) return void this.#others.set(target, detail ?? state);
    entry.state = state;
    entry.detail = detail;
  }

  refuse(refusals: readonly Refusal[]): void {
    for (const refusal of refusals) this.set(refusal.target, "refused", `${refusal.reason}; ${refusal.hint}`);
  }

  /** What the link keeper knows of a link. */
  setLink(target: string, state: EntryState, detail: string | undefined, history: LinkHistory): void {
    const entry = this.#entries.get(target);
    if (entry === undefined) return;
    this.set(target, state, detail);
    entry.healed = history.lastHealed === undefined ? undefined : { count: history.healed, last: Date.parse(history.lastHealed) };
    entry.backups = history.backups;
  }

  stateOf(target: string): EntryState | undefined {
    return this.#entries.get(target)?.state;
  }

  detailOf(target: string): string | undefined {
    return this.#entries.get(target)?.detail;
  }

  count(): { mounted: number; linked: number; other: number } {
    const entries = [...this.#entries.values()];
    const mounted = entries.filter((entry) => entry.state === "mounted").length;
    const linked = entries.filter((entry) => entry.spec.kind === "link" && HEALTHY.includes(entry.state)).length;
    return { mounted, linked, other: entries.length - mounted - linked };
  }

  /** Why a target that no entry is for could not be taken away. */
  leftBecause(target: string): string | undefined {
    return this.#others.get(target);
  }

  /** @param mounts left: those that no entry is for; stuck: those that nobody serves because their storages do not answer. */
  report(
    stats: Record<string, ServeStats>,
    engineOf: (target: string) => EngineName | undefined,
    mounts: { readonly left: readonly LeftMount[]; readonly stuck: readonly string[] },
  ): EntryStatus[] {
    const all = [...this.#entries.values()].map((entry): Entry => {
      const waits = entry.state === "mounted" && mounts.stuck.includes(entry.spec.target);
      return waits ? { ...entry, state: "stuck", detail: "its storage does not answer; it goes on when that does" } : entry;
    });
    const listed = all.map(({ spec, state, detail, healed, backups }): EntryStatus => ({
      type: spec.kind === "mount" || spec.what === "directory" ? "directory" : "file",
      source: spec.source,
      target: spec.target,
      storage: spec.storage,
      method: spec.kind === "link" ? "symlink" : spec.method,
      engine: engineOf(spec.target) ?? null,
      ...(spec.kind === "mount" ? { cache: spec.cache } : {}),
      state,
      healthy: HEALTHY.includes(state),
      ...(detail === undefined ? {} : { detail }),
      ...(healed === undefined ? {} : { healed }),
      ...(backups.length === 0 ? {} : { backups }),
      ...(stats[spec.target] === undefined ? {} : { stats: stats[spec.target] }),
    }));
    const unlisted = mounts.left.filter(({ mountpoint }) => !this.#entries.has(mountpoint));
    return [...listed, ...unlisted.map((mount) => unlistedStatus(mount, engineOf(mount.mountpoint)))];
  }
}

function unlistedStatus({ mountpoint, source, storage, why }: LeftMount, engine: EngineName | undefined): EntryStatus {
  const detail = `no longer listed; ${why ?? `'hmpersist unmount ${word(mountpoint)}' takes it away`}`;
  const place = { type: "directory", source, target: mountpoint, storage } as const;
  return { ...place, method: "fuse", engine: engine ?? null, state: "unlisted", healthy: false, detail };
}
