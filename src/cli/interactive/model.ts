// The chooser's state and how keys change it. Pure, so that every rule can be tested without a terminal: a mark on a directory speaks
// for everything in it, and marks below it are forgotten.
import type { EphemeralGroup } from "../../review/ephemeral.ts";

export type Mark = "persist" | "ignore" | "later";

export interface View {
  /** Relative to the home, "" for the home itself. */
  readonly path: string;
  readonly groups: readonly EphemeralGroup[];
  readonly cursor: number;
}

export interface Marked {
  readonly mark: Mark;
  readonly group: EphemeralGroup;
}

export interface State {
  /** From the home down to what is shown now. */
  readonly views: readonly View[];
  /** By path. No path in here is below another one. */
  readonly marks: ReadonlyMap<string, Marked>;
  readonly screen: "list" | "finish";
  /** The directory being walked now. */
  readonly opening: string | undefined;
  readonly message: string | undefined;
}

export type Action =
  | { readonly type: "move"; readonly by: number }
  | { readonly type: "mark"; readonly mark: Mark }
  | { readonly type: "opening"; readonly path: string }
  | { readonly type: "opened"; readonly path: string; readonly groups: readonly EphemeralGroup[] }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "back" }
  | { readonly type: "finish" }
  | { readonly type: "resume" };

export const start = (groups: readonly EphemeralGroup[]): State => ({
  views: [{ path: "", groups, cursor: 0 }],
  marks: new Map(),
  screen: "list",
  opening: undefined,
  message: undefined,
});

export const current = (state: State): View => state.views.at(-1) ?? { path: "", groups: [], cursor: 0 };
export const selected = (state: State): EphemeralGroup | undefined => current(state).groups[current(state).cursor];

const isInside = (path: string, directory: string): boolean => path.startsWith(`${directory}/`);

/** The mark that holds for `path`: its own, or that of a directory it is in. */
export function markOf(state: State, path: string): { mark: Mark; inherited: boolean } | undefined {
  const own = state.marks.get(path);
  if (own !== undefined) return { mark: own.mark, inherited: false };
  for (const [above, { mark }] of state.marks) if (isInside(path, above)) return { mark, inherited: true };
  return undefined;
}

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "move":
      return withView({ ...state, message: undefined }, (view) => ({
        ...view,
        cursor: Math.max(0, Math.min(view.groups.length - 1, view.cursor + action.by)),
      }));
    case "mark":
      return mark(state, action.mark);
    case "opening":
      return { ...state, opening: action.path, message: undefined };
    case "opened": {
      if (state.opening !== action.path) return state;
      if (action.groups.length === 0) return { ...state, opening: undefined, message: "nothing in there that would be lost" };
      return { ...state, opening: undefined, views: [...state.views, { path: action.path, groups: action.groups, cursor: 0 }] };
    }
    case "failed":
      return { ...state, opening: undefined, message: action.message };
    case "back":
      return { ...state, opening: undefined, message: undefined, views: state.views.length > 1 ? state.views.slice(0, -1) : state.views };
    case "finish":
      return { ...state, screen: "finish", opening: undefined, message: undefined };
    case "resume":
      return { ...state, screen: "list" };
  }
}

const withView = (state: State, change: (view: View) => View): State => ({
  ...state,
  views: [...state.views.slice(0, -1), change(current(state))],
});

function mark(state: State, wanted: Mark): State {
  const group = selected(state);
  if (group === undefined) return state;
  const why = unmarkable(group);
  if (why !== undefined) return { ...state, message: why };
  const holds = markOf(state, group.path);
  if (holds?.inherited === true) return { ...state, message: "decided above: go back to change it" };
  const marks = new Map([...state.marks].filter(([path]) => !isInside(path, group.path)));
  // The same key again takes the mark away.
  if (holds?.mark === wanted) marks.delete(group.path);
  else marks.set(group.path, { mark: wanted, group });
  const marked: State = { ...state, marks, message: undefined };
  return withView(marked, (view) => ({ ...view, cursor: Math.min(view.groups.length - 1, view.cursor + 1) }));
}

const unmarkable = (group: EphemeralGroup): string | undefined =>
  group.type === "others" ? "too many to decide on together: open the directory, or use patterns" : undefined;

export interface Totals {
  readonly groups: number;
  readonly bytes: number;
}

export function totalsOf(state: State, mark: Mark): Totals {
  const marked = [...state.marks.values()].filter((each) => each.mark === mark);
  return { groups: marked.length, bytes: marked.reduce((sum, { group }) => sum + group.bytes, 0) };
}

export const marked = (state: State, mark: Mark): EphemeralGroup[] =>
  [...state.marks.values()].filter((each) => each.mark === mark).map(({ group }) => group);
