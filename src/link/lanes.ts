// The lanes of one daemon: one for each filesystem root (the home, each storage), shared by all who work below it.
import { Lane } from "./lane.ts";

/** Enough for any other job; what a thread may take it takes. */
const HEAP_MB = 64;

export class Lanes {
  readonly #lanes = new Map<string, Lane>();

  /** The lane for `root`, which names it in messages. */
  of(root: string): Lane {
    return this.#lane(root, HEAP_MB);
  }

  /** The lane that copies what programs put in the place of links, which may take long: others want to look at the storage meanwhile. */
  healing(storage: string): Lane {
    return this.#lane(`healing ${storage}`, HEAP_MB);
  }

  /** The lane that copies whole trees to `storage`, which may take long; and what a tree takes in memory is its own affair. */
  adopting(storage: string): Lane {
    return this.#lane(`adopting ${storage}`, undefined);
  }

  #lane(name: string, heapMb: number | undefined): Lane {
    let lane = this.#lanes.get(name);
    if (lane === undefined) this.#lanes.set(name, (lane = new Lane(name, heapMb)));
    return lane;
  }

  /** Ends the threads; jobs under way fail. */
  async close(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close()));
  }
}
