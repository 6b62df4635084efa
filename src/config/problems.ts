// A mistake in a configuration, as people read it: the option's path, what is wrong, a way out. One line each.
import type { z } from "zod";
import { configObject, directoryObject, fileObject, storageObject } from "./schema.ts";

export type OptionPath = readonly (string | number)[];

export interface Problem {
  /** E.g. `persistence."/nix/dotfiles".directories[3]`; empty for the file as a whole. */
  readonly option: string;
  readonly problem: string;
  readonly wayOut: string;
}

/** `persistence."/nix/dotfiles".directories[3]`: keys are quoted unless they are plain words, as Nix writes them. */
export function optionName(path: OptionPath): string {
  let name = "";
  for (const part of path) {
    if (typeof part === "number") name += `[${part}]`;
    else name += (name === "" ? "" : ".") + (/^[$A-Za-z_][\w'-]*$/.test(part) ? part : JSON.stringify(part));
  }
  return name;
}

/** "a string", "an object" ...: what stands there instead of what was expected. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return `the ${typeof value} ${JSON.stringify(value)}`;
}

/** One issue of the schema library; `owner` is the object schema that found it, for a guess at what an unknown key was to be. */
export function fromIssue(issue: z.core.$ZodIssue, path: OptionPath, owner: z.ZodObject, value: unknown): Problem[] {
  const at = [...path, ...issue.path.map((part) => (typeof part === "number" ? part : String(part)))];
  const found = kindOf(valueAt(value, issue.path));
  const one = (problem: string, wayOut: string): Problem[] => [{ option: optionName(at), problem, wayOut }];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        option: optionName([...at, key]),
        problem: "there is no such option",
        wayOut: guess(
          key,
          issue.path.length === 0 ? Object.keys(owner.shape) : issue.path[0] === "ephemeral" ? ["ignore"] : ["mode", "user", "group"],
        ),
      }));
    case "invalid_type":
      if (found === "nothing") return one("is missing", `add it: ${article(issue.expected)}`);
      return one(`expected ${article(issue.expected)}, found ${found}`, typeHint(issue.expected, at.at(-1)));
    case "invalid_value":
      return one(`found ${found}`, `use one of ${issue.values.map((one) => JSON.stringify(one)).join(", ")}`);
    case "invalid_union": {
      const expected = issue.errors.flatMap((branch) => branch.flatMap((inner) => (inner.code === "invalid_type" ? [inner.expected] : [])));
      return one(`expected ${expected.map(article).join(" or ")}, found ${found}`, "correct its type");
    }
    case "invalid_format":
      return one(`found ${found}`, issue.message);
    case "custom":
    case "invalid_element":
    case "invalid_key":
    case "not_multiple_of":
    case "too_big":
    case "too_small":
      return one(issue.message, "see `hmpersist config schema`");
  }
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const part of path) at = typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[part] : undefined;
  return at;
}

const ARTICLES: Record<string, string> = {
  object: "an object",
  record: "an object",
  array: "a list",
  boolean: "true or false",
  null: "null",
};

const article = (type: string): string => ARTICLES[type] ?? `a ${type}`;

function typeHint(expected: string, key: string | number | undefined): string {
  if (key === "mode") return 'write the octal digits as a string, e.g. "0700"';
  if (expected === "boolean") return "write true or false without quotes";
  if (expected === "string") return "put it in double quotes";
  if (expected === "array") return "put it in square brackets";
  return "see `hmpersist config schema`";
}

const LEVELS: readonly (readonly [string, z.ZodObject])[] = [
  ["of the file as a whole", configObject],
  ['of a storage: persistence."/path"', storageObject],
  ["of an entry of `directories`", directoryObject],
  ["of an entry of `files`", fileObject],
];

function guess(key: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, distance: distance(key.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance)[0];
  if (near !== undefined) return `did you mean ${JSON.stringify(near.name)}?`;
  const level = LEVELS.find(([, object]) => key in object.shape);
  if (level !== undefined) return `it is an option ${level[0]}`;
  if (key === "users") return "a configuration is for one user: give each user a file of their own";
  return `remove it; known here: ${known.join(", ")}`;
}

/** Levenshtein's distance: how many characters to insert, remove or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
