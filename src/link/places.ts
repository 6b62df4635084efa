// Both ends of one link, opened: its directory in the home and its directory in storage, made where missing.
import type { LinkSpec } from "../plan/types.ts";
import { close } from "../sys/file.ts";
import { swapOf, type Swap } from "./swap.ts";
import { openPlace, type Place } from "../sys/walk.ts";

/** Storage directories a link needs and nobody described: other tools make .gnupg readable for all. */
export const STORAGE_MODE = 0o700;

export interface Places {
  readonly target: Place;
  readonly source: Place;
  readonly swap: Swap;
  close(): void;
}

export function openPlaces(spec: LinkSpec, home: string): Places {
  const source = openPlace(spec.storage, spec.source, { mode: STORAGE_MODE, durable: true });
  try {
    const target = openPlace(home, spec.target, { mode: spec.parentMode });
    return {
      target,
      source,
      swap: swapOf(target, spec.source),
      close: () => {
        close(target.dir);
        close(source.dir);
      },
    };
  } catch (error) {
    close(source.dir);
    throw error;
  }
}
