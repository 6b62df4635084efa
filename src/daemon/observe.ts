// Makes the Observation a plan is computed from: mountinfo for mounts, and a look at every path the configuration names. Targets of
// mounts that are held already are not looked at: that would go through our own server.
import { readMountinfo, type MountInfo } from "../sys/mountinfo.ts";
import { FSTYPE } from "../mount/options.ts";
import { isBelow, isWithin } from "../config/place.ts";
import { lookups, type Lookups } from "../plan/lookups.ts";
import { unmountedObstacle, type Obstacle } from "../plan/obstacles.ts";
import type { Desired, Found, Observation, OwnMount } from "../plan/types.ts";
import { Gate } from "../gate.ts";
import { PROGRAM } from "../program.ts";
import { look, lookWithin, sameContent, sameDirectory } from "./look.ts";
import { probeMounts } from "../mount/probe.ts";
import { Storages } from "./storages.ts";

/** How a mount that this daemon holds is served, as far as the configuration can ask for it. */
export type HeldMount = Pick<OwnMount, "cache" | "allowOther" | "root">;
/** By mountpoint. "living" is for whoever is not the daemon: every mount that answers counts as held. */
export type HeldMounts = ReadonlyMap<string, HeldMount> | "living";

export class Observer {
  readonly #gates = new Map<string, Gate>();
  readonly #storages = new Storages();
  readonly #answered: () => void;
  #table: readonly MountInfo[] | undefined;

  /**
   * @param options silent: storages that are known not to answer: for a process with few threads to lose.
   *   answered: called when one that was found not to answer does.
   */
  constructor({ silent = [], answered = () => {} }: { readonly silent?: readonly string[]; readonly answered?: () => void } = {}) {
    this.#answered = answered;
    for (const storage of silent) this.#gates.set(storage, new Gate({ stuck: true }));
  }

  #gate(root: string): Gate {
    const known = this.#gates.get(root);
    if (known !== undefined) return known;
    const gate = new Gate({ answered: this.#answered });
    this.#gates.set(root, gate);
    return gate;
  }

  /** Storages on which a look has not come back yet. */
  stuck(): string[] {
    return [...this.#gates].filter(([, gate]) => gate.stuck).map(([root]) => root);
  }

  async observe(desired: Desired, held: HeldMounts, ownLinks: ReadonlyMap<string, string>): Promise<Observation> {
    const { home } = desired;
    const table = readMountinfo().filter((mount) => isWithin(mount.mountpoint, home));
    const bound = await this.#bindMounts(desired, table);
    const mounts = [...(await fuseMounts(table, held)), ...bound];
    const others = table.filter((mount) => mount.type !== FSTYPE && mount.mountpoint !== home).map((mount) => mount.mountpoint);
    const foreignMounts = others.filter((mountpoint) => !bound.some((mount) => mount.target === mountpoint));
    const wanted = lookups(desired, ownLinks.keys());
    const [stored, found] = await Promise.all([this.lookAtStorages(wanted), this.#lookAtHome(home, wanted.targets, mounts)]);
    const targets = await this.#compared(desired, stored.sources, found.targets);
    return { ...stored, home: found.home, targets, program: PROGRAM, mounts, foreignMounts, ownLinks };
  }

  /** Looks at storages, and at what lies in them. */
  async lookAtStorages(wanted: Pick<Lookups, "storages" | "sources">): Promise<Pick<Observation, "storages" | "sources" | "unmounted">> {
    const table = readMountinfo();
    const unmounted = this.#storages.unmounted(wanted.storages, table);
    const storages = new Map<string, Found>();
    const sources = new Map<string, Found>();
    await Promise.all(
      wanted.storages.map(async (storage) => {
        const gate = this.#gate(storage);
        const found = await look(gate, storage, "follow");
        storages.set(storage, found);
        if (found.type === "directory" && !unmounted.has(storage)) this.#storages.used(storage, table);
        // One after the other: a stuck storage then holds one thread, not one per entry.
        for (const source of wanted.sources) if (isBelow(source, storage)) sources.set(source, await lookWithin(gate, storage, source));
      }),
    );
    return { storages, sources, unmounted };
  }

  /** Why nothing may be made in `storage` now: the disk it belongs on is not mounted. */
  unmounted(storage: string): Obstacle | undefined {
    const bare = this.#storages.unmounted([storage], this.#mountsNow()).get(storage);
    return bare === undefined ? undefined : unmountedObstacle(storage, bare);
  }

  // All links are looked at in one go, and each asks: the table is read once for those who ask before the event loop turns.
  #mountsNow(): readonly MountInfo[] {
    if (this.#table === undefined) {
      this.#table = readMountinfo();
      setImmediate(() => (this.#table = undefined));
    }
    return this.#table;
  }

  // A bind mount has no name of ours: it is known by being the same directory as its source.
  async #bindMounts(desired: Desired, table: readonly MountInfo[]): Promise<OwnMount[]> {
    const mountpoints = new Set(table.filter((mount) => mount.type !== FSTYPE).map((mount) => mount.mountpoint));
    const wanted = desired.mounts.filter((spec) => spec.method === "bind" && mountpoints.has(spec.target));
    const found = wanted.map(async ({ source, target, storage }): Promise<OwnMount[]> => {
      const same = await this.#gate(storage).run(() => sameDirectory(source, target), false);
      return same ? [{ target, source, health: "served", held: true }] : [];
    });
    return (await Promise.all(found)).flat();
  }

  // What lies at or below a mount of ours is not looked at: that would go through our own server, or hang on one that is gone.
  async #lookAtHome(
    home: string,
    wanted: readonly string[],
    mounts: readonly OwnMount[],
  ): Promise<Pick<Observation, "home"> & { readonly targets: ReadonlyMap<string, Found> }> {
    const gate = this.#gate(home);
    const targets = new Map<string, Found>();
    for (const target of wanted) {
      if (!mounts.some((mount) => isWithin(target, mount.target))) targets.set(target, await look(gate, target, "itself"));
    }
    return { home: await look(gate, home, "follow"), targets };
  }

  /** `targets`; files that stand where a link is wanted are compared with what the link would lead to. */
  async #compared(
    desired: Desired,
    sources: ReadonlyMap<string, Found>,
    targets: ReadonlyMap<string, Found>,
  ): Promise<ReadonlyMap<string, Found>> {
    const links = new Map(desired.links.map((spec) => [spec.target, spec]));
    const compared = new Map(targets);
    for (const [target, found] of targets) {
      if (found.type !== "file") continue;
      const spec = links.get(target);
      const comparable = spec !== undefined && sources.get(spec.source)?.type === "file";
      const same = comparable && (await this.#gate(spec.storage).run(() => sameContent(target, spec.source), false));
      compared.set(target, { ...found, same });
    }
    return compared;
  }
}

async function fuseMounts(table: readonly MountInfo[], held: HeldMounts): Promise<OwnMount[]> {
  const own = table.filter((mount) => mount.type === FSTYPE);
  const heldAt = (target: string): HeldMount | undefined => (held === "living" ? undefined : held.get(target));
  const health = await probeMounts(own.map((mount) => mount.mountpoint).filter((target) => heldAt(target) === undefined));
  return own.map(({ mountpoint: target, source }) => {
    const mine = heldAt(target);
    if (mine !== undefined) return { target, source, health: "served", held: true, ...mine };
    const found = health.get(target) ?? "unknown";
    return { target, source, health: found, held: held === "living" && found === "served" };
  });
}
