// The vocabulary of adoption: existing data of the home that moves into storage, and a mount or link that takes its place.

/** What to do where home and storage both have a path and differ. */
export type Merge = "keep-home" | "keep-storage" | "newest";

export interface AdoptRequest {
  /** What has data now; absolute, below `home`. */
  readonly target: string;
  /** Where it goes; absolute, below `storage`. */
  readonly source: string;
  readonly home: string;
  readonly storage: string;
  /** What will stand at `target`: an empty directory to mount over, or a link to `source`. */
  readonly leave: "mountpoint" | "link";
  /** Undefined: refused if home and storage differ. */
  readonly merge: Merge | undefined;
  /** Go on although processes have files open for writing. */
  readonly ignoreWriters: boolean;
}

export interface Totals {
  readonly files: number;
  readonly directories: number;
  readonly others: number;
  readonly bytes: number;
}

/** What would be done. */
export interface AdoptPlan extends Totals {
  /** "copy": storage has nothing; "same": it has exactly this; "merge": it has something else. "finish": an earlier run was cut short. */
  readonly decision: "copy" | "same" | "merge" | "finish";
  /** Paths, relative to the directory, on which home and storage differ; printable. */
  readonly differing: readonly string[];
  readonly writers: readonly string[];
}

export type Progress = (doneBytes: number, totalBytes: number) => void;
