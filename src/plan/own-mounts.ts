// Mounts of ours that are there already: which may stay, and why one may not. Pure.
import { isBelow, isWithin } from "../config/place.ts";
import { isReplaced } from "./stale.ts";
import type { Desired, Found, MountSpec, OwnMount, UnmountReason } from "./types.ts";

export class OwnMounts {
  readonly #byTarget = new Map<string, OwnMount[]>();
  readonly #leaving = new Map<string, UnmountReason>();

  constructor(mounts: readonly OwnMount[], desired: Desired) {
    const wanted = new Set([...desired.mounts, ...desired.refusals].map(({ target }) => target));
    for (const mount of mounts) {
      // Neither held nor in this home: another configuration's.
      if (!mount.held && !isWithin(mount.target, desired.home)) continue;
      this.#byTarget.set(mount.target, [...this.at(mount.target), mount]);
      // A dead mount only stands in the way, even of an entry that is refused.
      if (mount.health === "dead") this.leave(mount.target, "dead");
      else if (!wanted.has(mount.target)) this.leave(mount.target, "dropped");
    }
  }

  /** The mounts at `target`, more than one if they are stacked. */
  at(target: string): readonly OwnMount[] {
    return this.#byTarget.get(target) ?? [];
  }

  isStuck(target: string): boolean {
    return this.at(target).some(({ health }) => health === "stuck");
  }

  /** The stuck mount that keeps everything from `target`: there, above it, or keeping the one above it from being unmounted. */
  stuckAbove(target: string): string | undefined {
    const above = [...this.#byTarget.keys()].filter((path) => isWithin(target, path));
    return (
      above.find((path) => this.isStuck(path)) ?? above.filter((path) => this.#leaving.has(path)).map((path) => this.stuckBelow(path))[0]
    );
  }

  /** A stuck mount below `target`, which therefore can neither be unmounted nor mounted over. */
  stuckBelow(target: string): string | undefined {
    return [...this.#byTarget.keys()].find((path) => isBelow(path, target) && this.isStuck(path));
  }

  /** The stuck mounts that nobody wants any more: they cannot be unmounted politely. */
  stuckLeftovers(): OwnMount[] {
    return [...this.#leaving.keys()].filter((target) => this.isStuck(target)).flatMap((target) => this.at(target));
  }

  /** Whether a mount above `target` is going: what it hides is not known before it is gone. */
  isUnderLeaving(target: string): boolean {
    return [...this.#leaving.keys()].some((path) => isBelow(target, path) && this.#goes(path));
  }

  /** Why the mount at `spec.target` cannot be kept; undefined if it can. Presupposes that one is there. */
  flaw(spec: MountSpec, source: Found): UnmountReason | undefined {
    const [mount, ...stacked] = this.at(spec.target);
    if (mount === undefined || stacked.length > 0) return "changed";
    if (mount.health === "dead") return "dead";
    if (mount.source !== spec.source) return "changed";
    if (!mount.held) return "orphaned";
    if ((mount.cache ?? spec.cache) !== spec.cache || (mount.allowOther ?? spec.allowOther) !== spec.allowOther) return "changed";
    if (isReplaced(mount, source)) return "replaced";
    return undefined;
  }

  leave(target: string, why: UnmountReason): void {
    this.#leaving.set(target, why);
  }

  /** What is to be detached, deepest first. */
  leaving(): { readonly mount: OwnMount; readonly why: UnmountReason }[] {
    return [...this.#leaving]
      .sort(([a], [b]) => (a < b ? 1 : -1))
      .filter(([target]) => this.#goes(target) && !this.#isInDead(target))
      .flatMap(([target, why]) => this.at(target).map((mount) => ({ mount, why })));
  }

  // Nobody gets there; a dead mount is detached with all that is mounted in it.
  #isInDead(target: string): boolean {
    return [...this.#leaving].some(([path, why]) => why === "dead" && isBelow(target, path) && this.#goes(path));
  }

  #goes(target: string): boolean {
    return !this.isStuck(target) && this.stuckBelow(target) === undefined;
  }
}
