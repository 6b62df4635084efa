// The vocabulary of planning: what is wanted (Desired), what is there (Observation), what is to be done (Plan). Plain data.
import type { CacheMode, OnConflict, OnNonEmpty } from "../config/config.ts";

/** One directory to be served over the home by FUSE, or bound by root. */
export interface MountSpec {
  readonly kind: "mount";
  readonly method: "fuse" | "bind";
  /** The directory in storage, absolute. */
  readonly source: string;
  /** The mountpoint in the home, absolute. Unique among all entries. */
  readonly target: string;
  /** The persistentStoragePath it belongs to: one serving thread each. */
  readonly storage: string;
  /** Permissions of the storage directory, and of parents in storage and home, that have to be created. */
  readonly mode: number;
  readonly parentMode: number;
  readonly cache: CacheMode;
  readonly allowOther: boolean;
  readonly onNonEmpty: OnNonEmpty;
  readonly hideMount: boolean;
  readonly allowTrash: boolean;
  readonly option: string;
}

/** One symbolic link in the home whose text is `source`. */
export interface LinkSpec {
  readonly kind: "link";
  readonly what: "file" | "directory";
  readonly source: string;
  readonly target: string;
  readonly storage: string;
  /** Permissions of a storage directory that has to be created ("directory" only). */
  readonly mode: number;
  readonly parentMode: number;
  /** For "directory", `onNonEmpty`'s "shadow" cannot be meant and is refused by the configuration. */
  readonly onConflict: OnConflict;
  readonly option: string;
}

export type Spec = MountSpec | LinkSpec;

/** Why one entry is not carried out; the others are. */
export interface Refusal {
  readonly target: string;
  readonly source: string;
  readonly option: string;
  /** One line: what is in the way, where. */
  readonly reason: string;
  /** One line: a way out. */
  readonly hint: string;
}

/** All entries of a configuration, checked against each other. */
export interface Desired {
  readonly home: string;
  /** Parents before children, whatever their order or storage in the configuration. */
  readonly mounts: readonly MountSpec[];
  readonly links: readonly LinkSpec[];
  /** Entries that can never be carried out, e.g. a nested mount without allow_other. */
  readonly refusals: readonly Refusal[];
}

/** What stands at a path in the home or the storage. */
export type Found =
  | { readonly type: "missing" }
  /** `names`: the first few entries, for the message; `empty` is exact. */
  | {
      readonly type: "directory";
      readonly empty: boolean;
      readonly names: readonly string[];
      /** Which directory it is: "dev:ino". */
      readonly id?: string;
    }
  /** `same`: its content is that of the file its link would point to. */
  | { readonly type: "file"; readonly size: number; readonly same?: boolean }
  | { readonly type: "link"; readonly text: string }
  | { readonly type: "other" }
  /** It could not be looked at: errno name, e.g. "EACCES". */
  | { readonly type: "error"; readonly errno: string };

/** A mount of ours as mountinfo shows it. "dead": its server is gone (ENOTCONN); "stuck": it did not answer in time. */
export interface OwnMount {
  readonly target: string;
  readonly source: string;
  readonly health: "served" | "dead" | "stuck" | "unknown";
  /** Served by the daemon that observes; only such a mount may be kept. */
  readonly held: boolean;
  /** How a held mount is served; a difference from what is wanted remounts it. */
  readonly cache?: CacheMode;
  readonly allowOther?: boolean;
  /** The directory a held mount shows, as Found's `id`; another one at its source remounts it. */
  readonly root?: string;
}

/**
 * The world, as far as a plan needs it. Keys are absolute paths; `lookups.ts` says which are asked for. Storage is looked up
 * following links (a dangling one is "link", a loop "error" ELOOP), the home without.
 */
export interface Observation {
  readonly home: Found;
  /** By persistentStoragePath. */
  readonly storages: ReadonlyMap<string, Found>;
  /** Storages whose file system is not mounted, and the bare mountpoint: nothing may be made there. */
  readonly unmounted: ReadonlyMap<string, string>;
  /** What lies in storage. */
  readonly sources: ReadonlyMap<string, Found>;
  /** What stands in the home. A path at or below a mount of ours is not looked at (it might hang) and not in the map. */
  readonly targets: ReadonlyMap<string, Found>;
  /** Paths that hmpersist itself runs from. */
  readonly program: readonly string[];
  readonly mounts: readonly OwnMount[];
  /** Mountpoints below the home that are not ours: kept away from. */
  readonly foreignMounts: readonly string[];
  /** Links an earlier run made (target -> text), to take away those that left the configuration. */
  readonly ownLinks: ReadonlyMap<string, string>;
}

/** Why a mount of ours is detached: its server is gone, it left the configuration or is to be mounted differently, another directory
 *  stands at its source, nobody serves it for this daemon, or a mount above it comes or goes. */
export type UnmountReason = "dead" | "dropped" | "changed" | "replaced" | "orphaned" | "nested";

export type Action =
  | { readonly type: "unmount"; readonly target: string; readonly source: string; readonly why: UnmountReason }
  /** Removes a link of ours, if its text is still `text`. */
  | { readonly type: "unlink"; readonly target: string; readonly text: string }
  /** Makes one directory below `root` whose parent exists by then; there already is no failure. */
  | { readonly type: "mkdir-storage"; readonly root: string; readonly path: string; readonly mode: number }
  | { readonly type: "mkdir-home"; readonly root: string; readonly path: string; readonly mode: number }
  /** Moves what stands at the target into storage; the target is free afterwards, and its mount or link is an action further on. */
  | { readonly type: "adopt"; readonly spec: Spec; readonly found: Found }
  | { readonly type: "mount"; readonly spec: MountSpec }
  /** `found` is what the link replaces: nothing, our own older link, an empty directory, a file that is empty or the same. */
  | { readonly type: "link"; readonly spec: LinkSpec; readonly found: Found; readonly backup: boolean };

export interface Plan {
  /** In an order in which they can be carried out, each intermediate state being safe. The daemon leaves adopting, which takes time, to the end. */
  readonly actions: readonly Action[];
  readonly refusals: readonly Refusal[];
  /** Entries that are as they should be. */
  readonly kept: readonly Spec[];
  /** Not empty if a mount that goes hides what has to be seen first: carry this plan out, observe and plan again. */
  readonly postponed: readonly string[];
}
