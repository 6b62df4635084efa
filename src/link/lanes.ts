// The lanes of one daemon: one for each filesystem root (the home, each storage), shared by all who work below it.
import { Lane } from "./lane.ts";

export class Lanes {
  readonly #lanes = new Map<string, Lane>();

  /** The lane for `root`, which names it in messages. */
  of(root: string): Lane {
    let lane = this.#lanes.get(root);
    if (lane === undefined) this.#lanes.set(root, (lane = new Lane(root)));
    return lane;
  }

  /** Ends the threads; jobs under way fail. */
  async close(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close()));
  }
}
