// The configuration as the rest of the program sees it: every default filled in, nothing left to decide. Types only, so that
// whoever imports them does not load the schema library (80-110 ms); `load.ts` makes one of these out of a file.

export type DirectoryMethod = "fuse" | "symlink" | "bind";
/** "shared": the storage may change from outside. "exclusive": nothing else writes there while it is mounted. */
export type CacheMode = "shared" | "exclusive";
/** What to do with a mountpoint that already holds data. */
export type OnNonEmpty = "refuse" | "adopt" | "shadow";
/** What to do with a file that stands where a link belongs. */
export type OnConflict = "refuse" | "adopt" | "backup";
export type EngineChoice = "auto" | "kernel" | "fuse-native";

export interface DirectoryEntry {
  /** Relative to the storage, normalised: no empty, "." or ".." component. */
  readonly directory: string;
  readonly method: DirectoryMethod;
  /** Permissions of a storage directory that has to be created, e.g. 0o700. */
  readonly mode: number;
  /** Permissions of its parents, in storage and home, that have to be created. */
  readonly parentMode: number;
  readonly cache: CacheMode;
  readonly onNonEmpty: OnNonEmpty;
  readonly hideMount: boolean;
  readonly allowTrash: boolean;
  /** Where the user wrote it: `persistence."/nix/dotfiles".directories[3]`; every message about the entry names it. */
  readonly option: string;
}

export interface FileEntry {
  /** Relative to the storage, normalised. */
  readonly file: string;
  readonly onConflict: OnConflict;
  /** Permissions of parent directories that have to be created. */
  readonly parentMode: number;
  readonly option: string;
}

export interface Storage {
  readonly key: string;
  /** Absolute, normalised. */
  readonly persistentStoragePath: string;
  readonly removePrefixDirectory: boolean;
  readonly allowOther: boolean;
  readonly directories: readonly DirectoryEntry[];
  readonly files: readonly FileEntry[];
  readonly option: string;
}

export interface Config {
  /** Absolute, normalised. */
  readonly home: string;
  readonly engine: EngineChoice;
  /** Only the enabled ones. */
  readonly storages: readonly Storage[];
  readonly ephemeral: { readonly ignore: readonly string[] };
  /** What is right but worth a word, one line each: an entry that another one makes redundant, an option without effect. */
  readonly notes: readonly string[];
}
