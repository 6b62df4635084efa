// A request that changes names is not the same twice: a rename that was done before its server died, and is redelivered, finds nothing to
// rename. So the last change begun is noted in the shared tables, and the successor takes the errno that says "done already" for success.
import { ERRNO } from "../../sys/errno.ts";
import { lookup } from "./lookup.ts";
import { renamed, renamed2 } from "./namespace.ts";
import { openMade } from "./open-file.ts";
import type { Passthrough } from "./passthrough.ts";

/** What the second run of a change may answer when it was done already, and what is answered instead. */
export interface Repeat {
  readonly errnos: readonly number[];
  readonly answer: (fs: Passthrough) => number;
  /** The reply has no body, so a noted result is all of it. */
  readonly bare: boolean;
}

const nothing = (): number => 0;
const gone: Repeat = { errnos: [ERRNO.ENOENT], answer: nothing, bare: true };
const there: Repeat = { errnos: [ERRNO.EEXIST], answer: lookup, bare: false };

export const REPEATS: Readonly<Record<string, Repeat>> = {
  UNLINK: gone,
  RMDIR: gone,
  RENAME: { ...gone, answer: renamed },
  RENAME2: { ...gone, answer: renamed2 },
  MKDIR: there,
  MKNOD: there,
  SYMLINK: there,
  LINK: there,
  CREATE: { errnos: [ERRNO.EEXIST, ERRNO.EACCES], answer: openMade, bare: false },
  SETXATTR: { errnos: [ERRNO.EEXIST], answer: nothing, bare: true },
  REMOVEXATTR: { errnos: [ERRNO.ENODATA], answer: nothing, bare: true },
};
