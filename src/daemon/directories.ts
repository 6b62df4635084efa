// The daemon's way to a directory below the home or a storage: never by path, so that no link leads it astray, and never in its own
// thread, so that a stuck filesystem cannot hold it up.
import { HmpersistError } from "../errors.ts";
import type { Lanes } from "../link/lanes.ts";
import { drop, type Reach, type ReachOutcome } from "../link/reach.ts";

const DEADLINE_MS = 20_000;

export class Directories {
  readonly #lanes: Lanes;

  constructor(lanes: Lanes) {
    this.#lanes = lanes;
  }

  /**
   * Makes one directory below `root`; there already is no failure.
   * @param through the storage of the mount it lies in, if any: that is what may be stuck
   */
  async make(root: string, path: string, mode: number, through = root): Promise<void> {
    await this.#reach(through, { type: "make", root, path, mode });
  }

  /** Opens (O_PATH) a directory that is `root` or below it; the caller closes it. With `links`, those are followed that stay below `root`. */
  async open(root: string, path: string, links: boolean, through = root): Promise<number> {
    const outcome = await this.#reach(through, { type: "open", root, path, links });
    return outcome.result === "opened" ? outcome.fd : -1;
  }

  async #reach(lane: string, wanted: Reach): Promise<ReachOutcome> {
    const outcome = await this.#lanes.of(lane).run(wanted, DEADLINE_MS, drop);
    if (outcome.result === "failed") throw new HmpersistError("HMP_REFUSED", outcome.reason, outcome.hint);
    return outcome;
  }
}
