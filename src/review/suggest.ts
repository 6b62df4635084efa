// From groups to the lines of a configuration that would keep them: as Nix options, or as entries for the JSON file.
import { resolve } from "node:path";
import type { Config, Storage } from "../config/config.ts";
import { formatAge, formatBytes } from "../format.ts";
import { printable, printableJson } from "../sys/text.ts";
import type { EphemeralGroup } from "./ephemeral.ts";
import type { Survey } from "./survey.ts";

export interface SuggestedEntry {
  /** Relative to the storage. */
  readonly entry: string;
  readonly method: "symlink" | null;
  readonly group: EphemeralGroup;
}

export interface Suggestion {
  readonly directories: readonly SuggestedEntry[];
  readonly files: readonly SuggestedEntry[];
  /** What no line can name, and why. */
  readonly left: readonly { readonly group: EphemeralGroup; readonly why: string }[];
}

/** The storage new entries are meant for: the one asked for by key or path, else the first that takes paths as they are, else the first. */
export const chooseStorage = (config: Config, key?: string): Storage | undefined =>
  key === undefined
    ? (config.storages.find((storage) => !storage.removePrefixDirectory) ?? config.storages[0])
    : config.storages.find((storage) => storage.key === key || storage.persistentStoragePath === resolve(key));

export function suggest(groups: readonly EphemeralGroup[], storage: Storage | undefined): Suggestion {
  const directories: SuggestedEntry[] = [];
  const files: SuggestedEntry[] = [];
  const left: { group: EphemeralGroup; why: string }[] = [];
  for (const group of groups) {
    const why = unfit(group);
    if (why !== undefined) {
      left.push({ group, why });
      continue;
    }
    const entry = storage?.removePrefixDirectory === true ? `${prefixOf(group)}/${group.path}` : group.path;
    (group.type === "directory" ? directories : files).push({ entry, method: group.method, group });
  }
  return { directories, files, left };
}

function unfit(group: EphemeralGroup): string | undefined {
  if (group.configured) return "an entry names it already";
  if (group.type === "others") return "too many to name them one by one";
  if (group.type === "link") return "a link: what it leads to may be kept, not the link";
  if (group.odd) return "its name is not UTF-8";
  if (/[\u0000-\u001f\u007f]/.test(group.path)) return "a control character in its name";
  return undefined;
}

// "Firefox/.mozilla", "kitty/.config/kitty": one directory a program, as people lay out a dotfiles repository.
const prefixOf = (group: EphemeralGroup): string =>
  (group.program ?? group.path.split("/").at(-1) ?? "").replace(/^\.+/, "").replace(/[^\p{L}\p{N}._+-]+/gu, "-") || "home";

/** Lines of a Nix attribute set, to be pasted below `home.persistence."..."`. */
export function nixLines(suggestion: Suggestion, now: number): string[] {
  const list = (name: string, entries: readonly SuggestedEntry[]): string[] =>
    entries.length === 0 ? [] : [`${name} = [`, ...entries.map((entry) => `  ${nixEntry(entry)} # ${comment(entry.group, now)}`), "];"];
  return [
    ...list("directories", suggestion.directories),
    ...list("files", suggestion.files),
    ...suggestion.left.map(({ group, why }) => `# left out: ${printable(group.path)} (${why})`),
  ];
}

/** What was not looked at, and so is suggested by no line. */
export const unreadableLines = ({ count, paths }: Survey["unreadable"]): string[] => [
  ...paths.map(({ path, errno }) => `# could not be read: ${printable(path)} (${errno})`),
  ...(count > paths.length ? [`# could not be read: ${count - paths.length} more`] : []),
];

const nixEntry = ({ entry, method }: SuggestedEntry): string =>
  method === null ? nixString(entry) : `{ directory = ${nixString(entry)}; method = ${nixString(method)}; }`;

// JSON has an escape for whatever a terminal would act on, Nix has none.
const nixString = (text: string): string =>
  printable(text) === text ? quoted(text) : `(builtins.fromJSON ${quoted(printableJson(JSON.stringify(text)))})`;

const quoted = (text: string): string => `"${text.replace(/[\\"]|\$\{/g, (match) => `\\${match}`)}"`;

const comment = (group: EphemeralGroup, now: number): string =>
  [
    group.program === null ? "" : `${printable(group.program)}, `,
    formatBytes(group.bytes),
    `, newest ${formatAge(now - group.newest * 1000)}`,
  ].join("");
