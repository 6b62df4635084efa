// Makes the Observation a plan is computed from: mountinfo for mounts, and a look at every path the configuration names. Targets of
// mounts that are held already are not looked at: that would go through our own server.
import { readMountinfo } from "../sys/mountinfo.ts";
import { FSTYPE } from "../mount/options.ts";
import { contains } from "../plan/path.ts";
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
    const table = readMountinfo().filter((mount) => contains(home, mount.mountpoint));
    const mounts = await ownMounts(table, held);
    const foreignMounts = table.filter((mount) => mount.type !== FSTYPE && mount.mountpoint !== home).map((mount) => mount.mountpoint);
    const mounted = new Set(mounts.map((mount) => mount.target));
    const storages = new Map<string, Found>();
    const sources = new Map<string, Found>();
    const targets = new Map<string, Found>();
    const homeGate = this.#gate(home);
    const specs = [...desired.mounts, ...desired.links];
    await Promise.all(
      [...new Set(specs.map((spec) => spec.storage))].map(async (storage) => {
        const gate = this.#gate(storage);
        storages.set(storage, await gate.look(storage));
        // One after the other: a stuck storage then holds one thread, not one per entry.
        for (const spec of specs) if (spec.storage === storage) sources.set(spec.source, await gate.look(spec.source));
      }),
    );
    for (const spec of specs) {
      if (spec.kind === "mount" && mounted.has(spec.target)) continue;
      const found = underMount(spec.target, mounted) ? await this.#gate(spec.target).look(spec.target) : await homeGate.look(spec.target);
      targets.set(spec.target, await this.#compared(found, spec.source, spec.target, spec.storage, sources));
    }
    for (const target of ownLinks.keys()) if (!targets.has(target)) targets.set(target, await homeGate.look(target));
    return { home: await homeGate.look(home), storages, sources, targets, mounts, foreignMounts, ownLinks };
  }

  async #compared(found: Found, source: string, target: string, storage: string, sources: ReadonlyMap<string, Found>): Promise<Found> {
    if (found.type !== "file" || found.size === 0 || sources.get(source)?.type !== "file") return found;
    return { ...found, same: await this.#gate(storage).run(() => sameContent(target, source), false) };
  }
}

const underMount = (path: string, mounted: ReadonlySet<string>): boolean =>
  [...mounted].some((mount) => mount !== path && contains(mount, path));

async function ownMounts(table: ReturnType<typeof readMountinfo>, held: ReadonlySet<string> | "living"): Promise<OwnMount[]> {
  const own = table.filter((mount) => mount.type === FSTYPE);
  const isHeld = (target: string): boolean => held !== "living" && held.has(target);
  const health = await probeMounts(own.map((mount) => mount.mountpoint).filter((target) => !isHeld(target)));
  return own.map(({ mountpoint: target, source }) => {
    const found = isHeld(target) ? "served" : (health.get(target) ?? "unknown");
    return { target, source, held: isHeld(target) || (held === "living" && found === "served"), health: found };
  });
}
