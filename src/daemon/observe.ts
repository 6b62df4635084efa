// Makes the Observation a plan is computed from: mountinfo for mounts, and a look at every path the configuration names. Targets of
// mounts that are held already are not looked at: that would go through our own server.
import { readMountinfo } from "../sys/mountinfo.ts";
import { FSTYPE } from "../mount/options.ts";
import { isBelow, isWithin } from "../config/place.ts";
import { lookups } from "../plan/lookups.ts";
import type { Desired, Found, Observation, OwnMount } from "../plan/types.ts";
import { Gate, sameContent } from "./look.ts";
import { probeMounts } from "./probe.ts";

export class Observer {
  readonly #gates = new Map<string, Gate>();

  #gate(root: string): Gate {
    const known = this.#gates.get(root);
    if (known !== undefined) return known;
    const gate = new Gate();
    this.#gates.set(root, gate);
    return gate;
  }

  /** Storages on which a look has not come back yet. */
  stuck(): string[] {
    return [...this.#gates].filter(([, gate]) => gate.stuck).map(([root]) => root);
  }

  /** @param held mountpoints this daemon serves; "living": whoever is not the daemon takes every mount that answers for its. */
  async observe(desired: Desired, held: ReadonlySet<string> | "living", ownLinks: ReadonlyMap<string, string>): Promise<Observation> {
    const { home } = desired;
    const table = readMountinfo().filter((mount) => isWithin(mount.mountpoint, home));
    const mounts = await ownMounts(table, held);
    const foreignMounts = table.filter((mount) => mount.type !== FSTYPE && mount.mountpoint !== home).map((mount) => mount.mountpoint);
    const wanted = lookups(desired, ownLinks.keys());
    const storages = new Map<string, Found>();
    const sources = new Map<string, Found>();
    await Promise.all(
      wanted.storages.map(async (storage) => {
        const gate = this.#gate(storage);
        storages.set(storage, await gate.look(storage, "follow"));
        // One after the other: a stuck storage then holds one thread, not one per entry.
        for (const source of wanted.sources) if (isBelow(source, storage)) sources.set(source, await gate.look(source, "follow"));
      }),
    );
    const targets = await this.#targets(desired, wanted.targets, sources, mounts);
    return { home: await this.#gate(home).look(home, "follow"), storages, sources, targets, mounts, foreignMounts, ownLinks };
  }

  // What lies at or below a mount of ours is not looked at: that would go through our own server, or hang on one that is gone.
  async #targets(
    desired: Desired,
    wanted: readonly string[],
    sources: ReadonlyMap<string, Found>,
    mounts: readonly OwnMount[],
  ): Promise<Map<string, Found>> {
    const gate = this.#gate(desired.home);
    const links = new Map(desired.links.map((spec) => [spec.target, spec]));
    const targets = new Map<string, Found>();
    for (const target of wanted) {
      if (mounts.some((mount) => isWithin(target, mount.target))) continue;
      const found = await gate.look(target, "itself");
      const spec = links.get(target);
      const comparable = spec !== undefined && found.type === "file" && sources.get(spec.source)?.type === "file";
      const same = comparable && (await this.#gate(spec.storage).run(() => sameContent(target, spec.source), false));
      targets.set(target, found.type === "file" ? { ...found, same } : found);
    }
    return targets;
  }
}

async function ownMounts(table: ReturnType<typeof readMountinfo>, held: ReadonlySet<string> | "living"): Promise<OwnMount[]> {
  const own = table.filter((mount) => mount.type === FSTYPE);
  const isHeld = (target: string): boolean => held !== "living" && held.has(target);
  const health = await probeMounts(own.map((mount) => mount.mountpoint).filter((target) => !isHeld(target)));
  return own.map(({ mountpoint: target, source }) => {
    const found = isHeld(target) ? "served" : (health.get(target) ?? "unknown");
    return { target, source, held: isHeld(target) || (held === "living" && found === "served"), health: found };
  });
}
