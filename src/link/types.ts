// The vocabulary of the link code: what came of placing, removing and healing a link, and what is remembered of it. Plain data: all of
// it crosses a thread boundary.

/** What a storage file was when it was last seen behind its link. Compared, never interpreted. */
export interface Known {
  readonly dev: string;
  readonly ino: string;
  readonly size: number;
  readonly mtimeNs: string;
}

/** A file in the home as it was when a snapshot of it went to storage. */
export interface Taken extends Known {
  readonly ctimeNs: string;
}

export interface Problem {
  /** One line: what is in the way, where. */
  readonly reason: string;
  /** One line: a way out. */
  readonly hint: string;
}

export type LinkOutcome =
  /** "kept": it was there already; "placed": nothing was in the way; "replaced": an empty or same file, or our own older link, was. */
  | { readonly result: "kept" | "placed" | "replaced" | "adopted"; readonly known: Known | undefined }
  /** `backup` is where the file that was in the way is now. */
  | { readonly result: "backed-up"; readonly known: Known | undefined; readonly backup: string }
  | ({ readonly result: "conflict" } & Problem)
  | ({ readonly result: "failed"; readonly errno: string } & Problem);

/** "left": what stands there is not our link (any more), so it was not touched. `backup`: what a killed healing had left beside it. */
export type RemoveOutcome =
  | { readonly result: "removed" | "missing" | "left"; readonly backup?: string | undefined }
  | ({ readonly result: "failed"; readonly errno: string } & Problem);

/** What a file in storage is after new content went there, and what it was before if that was kept. */
export interface Stored {
  readonly known: Known;
  readonly backup: string | undefined;
}

/** `backup`: what storage held before, kept because it was newer than what had been seen behind the link. */
export type HealOutcome = { readonly backup?: string | undefined } & (
  | /** "ok": the link stands; "relinked": it had been deleted and is back, what storage holds behind it again. */
    { readonly result: "ok" | "relinked"; readonly known: Known | undefined }
  /** A plain file stood in its place; its content is in storage now. */
  | { readonly result: "healed"; readonly known: Known; readonly bytes: number; readonly lost: readonly string[] }
  /** A program is still writing; look again later. `known` is set if a snapshot went to storage meanwhile. */
  | { readonly result: "busy"; readonly reason: string; readonly known?: Known; readonly taken?: Taken | undefined }
  | ({ readonly result: "conflict"; readonly known?: Known } & Problem)
  /** E.g. ENOSPC: the plain file stays where it is. `known` is set if its content is in storage nonetheless. */
  | ({ readonly result: "failed"; readonly errno: string; readonly known?: Known } & Problem)
);

/** "refused": everything is where it was, or in both places. "left": storage has all of it, but the original is not gone. */
export type AdoptOutcome = { readonly result: "adopted" } | ({ readonly result: "refused" | "left" } & Problem);

/** What is remembered of one link between runs. */
export interface LinkRecord {
  /** The link's text, which is the file in storage. */
  readonly text: string;
  /** Which home the link was made in: a new tmpfs is a new home, and what stands there never was our link. */
  readonly home: string;
  readonly known: Known | undefined;
  readonly healed: number;
  /** ISO 8601, of the last healing. */
  readonly lastHealed: string | undefined;
  /** Absolute paths, oldest first. */
  readonly backups: readonly string[];
}

export type LinkState = "ok" | "dangling" | "healing" | "conflicted" | "failed" | "unplaced";

/** One link as `status` shows it. */
export interface LinkStatus {
  readonly target: string;
  readonly source: string;
  readonly state: LinkState;
  readonly healed: number;
  readonly lastHealed: string | undefined;
  readonly backups: readonly string[];
  readonly reason: string | undefined;
  readonly hint: string | undefined;
}
