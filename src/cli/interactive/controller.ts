// From keys to the state, and from the last key to an outcome. Holds the state itself, so that of two keys in one chunk the second
// meets what the first has done; the screen only shows it.
import type { EphemeralGroup } from "../../review/ephemeral.ts";
import { reduce, selected, start, type Action, type Mark, type State } from "./model.ts";

/** What becomes of the choice. */
export type Outcome = "quit" | "nix" | "json" | "write" | "adopt";

export interface ControllerOptions {
  readonly groups: readonly EphemeralGroup[];
  /** Walks one directory; rejects if it cannot be. */
  readonly open: (path: string) => Promise<readonly EphemeralGroup[]>;
  /** Why the configuration cannot be written, if so. */
  readonly unwritable: string | undefined;
  /** Rows of the list, for the keys that move by a page. */
  readonly page: () => number;
  readonly done: (outcome: Outcome) => void;
}

const MARKS: Record<string, Mark> = { p: "persist", space: "persist", i: "ignore", l: "later" };
const OUTCOMES: Record<string, Outcome> = { n: "nix", j: "json", w: "write", a: "adopt", q: "quit" };

export class Controller {
  state: State;
  readonly #options: ControllerOptions;
  readonly #listeners = new Set<() => void>();
  #over = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.state = start(options.groups);
  }

  /** Calls `listener` after each change, until the function that is returned is called. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  press(key: string): void {
    if (this.#over) return;
    if (key === "interrupt") this.#end("quit");
    else if (this.state.screen === "finish") this.#pressAtEnd(key);
    else this.#pressInList(key);
  }

  #pressAtEnd(key: string): void {
    const outcome = OUTCOMES[key];
    if (key === "b" || key === "escape" || key === "left") this.#do({ type: "resume" });
    else if (outcome !== undefined && (this.#options.unwritable === undefined || !["write", "adopt"].includes(outcome))) this.#end(outcome);
  }

  #pressInList(key: string): void {
    const mark = MARKS[key];
    const by = this.#steps(key);
    if (mark !== undefined) this.#do({ type: "mark", mark });
    else if (by !== undefined) this.#do({ type: "move", by });
    else if (key === "right" || key === "enter") this.#open();
    else if (key === "left" || key === "escape" || key === "backspace") this.#do({ type: "back" });
    else if (key === "f") this.#do({ type: "finish" });
    else if (key === "q") this.#end("quit");
  }

  #steps(key: string): number | undefined {
    switch (key) {
      case "up":
      case "k":
        return -1;
      case "down":
      case "j":
        return 1;
      case "pageup":
        return -this.#options.page();
      case "pagedown":
        return this.#options.page();
      case "home":
      case "g":
        return -Infinity;
      case "end":
      case "G":
        return Infinity;
      default:
        return undefined;
    }
  }

  #open(): void {
    const group = selected(this.state);
    if (group === undefined || group.type !== "directory" || this.state.opening !== undefined) return;
    const { path, odd } = group;
    if (odd) return this.#do({ type: "failed", message: "its name is not UTF-8: rename it to look into it" });
    this.#do({ type: "opening", path });
    this.#options.open(path).then(
      (groups) => this.#do({ type: "opened", path, groups }),
      (error: unknown) => this.#do({ type: "failed", message: error instanceof Error ? error.message : String(error) }),
    );
  }

  #do(action: Action): void {
    if (this.#over) return;
    this.state = reduce(this.state, action);
    for (const listener of this.#listeners) listener();
  }

  #end(outcome: Outcome): void {
    this.#over = true;
    this.#options.done(outcome);
  }
}
