// A parsed JSON value -> Config, or every problem in it. Each level is checked by itself and what is sound of it goes on to the next
// check, so that one mistake does not hide the others.
import { z } from "zod";
import type { Config, DirectoryEntry, DirectoryMethod, FileEntry, Storage } from "./config.ts";
import { crossCheck } from "./cross-check.ts";
import { absolutePath, relativePath, type PathResult } from "./paths.ts";
import { fromIssue, kindOf, optionName, type OptionPath, type Problem } from "./problems.ts";
import { configObject, directoryObject, fileObject, storageObject, type StorageOptions } from "./schema.ts";
import type { Identity } from "./identity.ts";

export interface Resolved {
  readonly config: Config;
  readonly problems: readonly Problem[];
}

/** What resolving needs to know of the machine, and how options are called (ad hoc entries come from the command line). */
export interface ResolveFacts {
  readonly home: string;
  readonly identity: Identity;
  readonly nameOf?: (path: OptionPath) => string;
}

// The outer levels with their lists left unread: an entry that is wrong must not take its neighbours along.
const configOutline = configObject.extend({ persistence: z.record(z.string(), z.unknown()).default({}) });
const unread = z.array(z.unknown()).default([]);
const storageOutline = storageObject.extend({ directories: unread, files: unread });

/** Never throws. With problems the configuration is what was sound of it, and not to be used. */
export function resolve(value: unknown, facts: ResolveFacts): Resolved {
  const problems: Problem[] = [];
  const resolver = new Resolver(facts, problems);
  const config = resolver.config(value);
  return { config: { ...config, ...crossCheck(config, problems) }, problems };
}

class Resolver {
  readonly #facts: ResolveFacts;
  readonly #problems: Problem[];

  constructor(facts: ResolveFacts, problems: Problem[]) {
    this.#facts = facts;
    this.#problems = problems;
  }

  config(value: unknown): Config {
    const options = this.#parse(configOutline, value, []);
    const home = this.#path(absolutePath(options?.home ?? this.#facts.home), ["home"]) ?? this.#facts.home;
    const storages: Storage[] = [];
    for (const [key, storage] of Object.entries(options?.persistence ?? {})) {
      const resolved = this.#storage(storage, key, home);
      if (resolved !== undefined) storages.push(resolved);
    }
    return { home, engine: options?.engine ?? "auto", storages, ephemeral: options?.ephemeral ?? { ignore: [] }, notes: [] };
  }

  #storage(value: unknown, key: string, home: string): Storage | undefined {
    const at = ["persistence", key];
    const options = this.#parse(storageOutline, value, at);
    if (options === undefined) return undefined;
    const own = options.persistentStoragePath;
    const path = this.#path(absolutePath(own ?? key), own === undefined ? at : [...at, "persistentStoragePath"]);
    const context = { options, home };
    const directories = options.directories.map((entry, index) => this.#directory(entry, [...at, "directories", index], context));
    const files = options.files.map((entry, index) => this.#file(entry, [...at, "files", index], context));
    if (path === undefined || !options.enable) return undefined;
    return {
      key,
      persistentStoragePath: path,
      removePrefixDirectory: options.removePrefixDirectory,
      allowOther: options.allowOther ?? false,
      directories: directories.filter((entry) => entry !== undefined),
      files: files.filter((entry) => entry !== undefined),
      option: this.#name(at),
    };
  }

  #directory(value: unknown, at: OptionPath, { options, home }: StorageContext): DirectoryEntry | undefined {
    const entry = this.#parse(directoryObject, typeof value === "string" ? { directory: value } : value, at, "a path or an object");
    if (entry === undefined) return undefined;
    const path = this.#entryPath(entry.directory, at, options.removePrefixDirectory, home);
    this.#owner(entry, at);
    const method = directoryMethod(entry.method ?? options.defaultDirectoryMethod);
    if (method === "symlink" && entry.onNonEmpty === "shadow") {
      this.#refuse(
        [...at, "onNonEmpty"],
        'a link cannot stand over a directory, so "shadow" has no meaning here',
        'use "refuse" or "adopt", or method "fuse"',
      );
    }
    if (path === undefined) return undefined;
    return {
      directory: path,
      method,
      mode: octal(entry.mode ?? options.mode),
      parentMode: octal(options.mode),
      cache: entry.cache ?? options.cache,
      onNonEmpty: entry.onNonEmpty,
      hideMount: entry.hideMount ?? options.hideMounts,
      allowTrash: entry.allowTrash ?? options.allowTrash,
      option: this.#name(at),
    };
  }

  #file(value: unknown, at: OptionPath, { options, home }: StorageContext): FileEntry | undefined {
    const entry = this.#parse(fileObject, typeof value === "string" ? { file: value } : value, at, "a path or an object");
    if (entry === undefined) return undefined;
    if (entry.file.endsWith("/")) this.#refuse(at, "a file's path ends in a slash", "remove the slash, or list it under `directories`");
    const path = this.#entryPath(entry.file, at, options.removePrefixDirectory, home);
    this.#owner(entry.parentDirectory ?? {}, [...at, "parentDirectory"]);
    if (path === undefined) return undefined;
    return {
      file: path,
      onConflict: entry.onConflict,
      parentMode: octal(entry.parentDirectory?.mode ?? options.mode),
      option: this.#name(at),
    };
  }

  #entryPath(written: string, at: OptionPath, removePrefix: boolean, home: string): string | undefined {
    const path = this.#path(relativePath(written, home), at);
    if (path === undefined || !removePrefix || path.includes("/")) return path;
    this.#refuse(
      at,
      `nothing is left of ${JSON.stringify(path)} once removePrefixDirectory has dropped its first component`,
      "put it into a directory of the storage, or list it in a storage without removePrefixDirectory",
    );
    return undefined;
  }

  #owner({ user, group }: { user?: string | null | undefined; group?: string | null | undefined }, at: OptionPath): void {
    const { identity } = this.#facts;
    const hint = "remove the option: everything belongs to the user hmpersist runs as";
    if (typeof user === "string" && !identity.isUser(user)) this.#refuse([...at, "user"], `${JSON.stringify(user)} is another user`, hint);
    if (typeof group === "string" && !identity.inGroup(group)) {
      this.#refuse([...at, "group"], `${JSON.stringify(group)} is not a group of this user`, hint);
    }
  }

  /** `value` as `object` has it; what is wrong becomes a problem and its option's default, or undefined if nothing is left. */
  #parse<T extends z.ZodObject>(object: T, value: unknown, at: OptionPath, expected = "an object"): z.output<T> | undefined {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.#refuse(at, `expected ${expected}, found ${kindOf(value)}`, "see `hmpersist config schema`");
      return undefined;
    }
    const first = object.safeParse(value);
    if (first.success) return first.data;
    const sound: Record<string, unknown> = { ...value };
    for (const issue of first.error.issues) {
      const problems = fromIssue(issue, at, object, value);
      for (const { option, problem, wayOut } of problems) this.#problems.push({ option, problem, wayOut });
      for (const key of issue.code === "unrecognized_keys" && issue.path.length === 0 ? issue.keys : [issue.path[0]])
        delete sound[String(key)];
    }
    const second = object.safeParse(sound);
    return second.success ? second.data : undefined;
  }

  #path(result: PathResult, at: OptionPath): string | undefined {
    if ("path" in result) return result.path;
    this.#refuse(at, result.problem, result.wayOut);
    return undefined;
  }

  #refuse(at: OptionPath, problem: string, wayOut: string): void {
    this.#problems.push({ option: this.#name(at), problem, wayOut });
  }

  #name(at: OptionPath): string {
    return this.#facts.nameOf?.(at) ?? optionName(at);
  }
}

interface StorageContext {
  readonly options: Omit<StorageOptions, "directories" | "files">;
  readonly home: string;
}

const octal = (digits: string): number => Number.parseInt(digits, 8);

const directoryMethod = (method: StorageOptions["defaultDirectoryMethod"]): DirectoryMethod => (method === "bindfs" ? "fuse" : method);
