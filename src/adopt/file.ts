// Moves one file that has data into storage and leaves a link: what healing and placing do already, once it is decided which side wins.
import { AT_FDCWD } from "../sys/constants.ts";
import { close } from "../sys/file.ts";
import { cstr } from "../sys/name.ts";
import { isErrno } from "../sys/errno.ts";
import { isDirectory, isRegular, statAt, type Stat } from "../sys/stat.ts";
import { printable } from "../sys/text.ts";
import { openPlace, statPlace } from "../sys/walk.ts";
import { HmpersistError } from "../errors.ts";
import { placeLink } from "../link/apply.ts";
import { healLink } from "../link/heal.ts";
import { sameContent } from "../link/observe.ts";
import { STORAGE_MODE } from "../link/places.ts";
import type { LinkSpec } from "../plan/types.ts";
import { lockAdoption } from "./lock.ts";
import { OpenFiles } from "./open-files.ts";
import type { AdoptPlan, Merge } from "./types.ts";

/** Looks, and changes nothing. Throws HMP_REFUSED if there is no plain file. */
export function planFile(spec: LinkSpec, home: string): AdoptPlan {
  const found = statWithin(home, spec.target);
  if (found === undefined || !isRegular(found)) {
    throw new HmpersistError(
      "HMP_REFUSED",
      printable(`${spec.target} is not a plain file`),
      "only what lies in the home itself can be adopted",
    );
  }
  const stored = statWithin(spec.storage, spec.source);
  if (stored !== undefined && isDirectory(stored)) {
    throw new HmpersistError("HMP_REFUSED", printable(`${spec.source} is a directory, a file is expected`), "list it under 'directories'");
  }
  const decision = stored === undefined || stored.size === 0 ? "copy" : sameContent(spec.target, spec.source) ? "same" : "merge";
  const open = new OpenFiles();
  open.look({ dir: AT_FDCWD, name: cstr(spec.target), stat: found, shown: printable(spec.target) });
  const writers = open.found().map(({ who }) => who);
  const differing = decision === "merge" ? [printable(spec.target)] : [];
  return { decision, files: 1, directories: 0, others: 0, bytes: found.size, differing, writers };
}

// As adopting would find it: no link leads there.
function statWithin(root: string, path: string): Stat | undefined {
  try {
    const place = openPlace(root, path);
    try {
      return statPlace(place);
    } finally {
      close(place.dir);
    }
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Which of the two files goes away is kept as a dated backup beside the other. Returns what was decided. */
export function adoptFile(spec: LinkSpec, home: string, merge: Merge | undefined): AdoptPlan {
  const plan = planFile(spec, home);
  if (plan.decision === "merge" && merge === undefined) {
    const hint = "--merge keep-home, keep-storage or newest says which wins";
    throw new HmpersistError("HMP_REFUSED", printable(`${spec.target} and ${spec.source} differ`), hint);
  }
  const homeWins = plan.decision !== "merge" || merge === "keep-home" || (merge === "newest" && isNewer(spec));
  const outcome = locked(spec, () =>
    homeWins ? healLink(spec, home, { known: undefined, backups: [] }) : placeLink({ ...spec, onConflict: "backup" }, home),
  );
  if (outcome.result === "busy") {
    throw new HmpersistError("HMP_BUSY", printable(`${spec.target}: ${outcome.reason}`), "end the programs that write there");
  }
  if (outcome.result === "conflict" || outcome.result === "failed") throw new HmpersistError("HMP_REFUSED", outcome.reason, outcome.hint);
  return plan;
}

function locked<T>(spec: LinkSpec, work: () => T): T {
  const place = openPlace(spec.storage, spec.source, { mode: STORAGE_MODE, durable: true });
  try {
    const unlock = lockAdoption(place);
    try {
      return work();
    } finally {
      unlock();
    }
  } finally {
    close(place.dir);
  }
}

function isNewer(spec: LinkSpec): boolean {
  const home = statAt(AT_FDCWD, cstr(spec.target));
  const stored = statAt(AT_FDCWD, cstr(spec.source));
  return home !== undefined && (stored === undefined || home.mtimeNs >= stored.mtimeNs);
}
