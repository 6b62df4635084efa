// Runs the actions of a plan: in order where one needs another, side by side where they are independent.
import { isBelow } from "../config/place.ts";
import type { MountSpec } from "../plan/types.ts";

/** Mounting in parallel hides the waiting for fusermount3 and the server; more than a few at once gains nothing on two cores. */
const LANES = 4;

/** Splits mounts, parents first, into waves: no mount of a wave lies below another of the same wave. */
export function waves(specs: readonly MountSpec[]): MountSpec[][] {
  const result: MountSpec[][] = [];
  for (const spec of specs) {
    let index = 0;
    result.forEach((wave, at) => {
      if (wave.some((other) => isBelow(spec.target, other.target))) index = at + 1;
    });
    (result[index] ??= []).push(spec);
  }
  return result;
}

/** Runs `work` for each item, `LANES` at a time. `work` must not reject. */
export async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const lane = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
