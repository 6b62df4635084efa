// Which errnos tell of a fault that somebody should look into: the storage, its room, or the limits of the server. "No such file" and the
// like are answers as good as any.
import { ERRNO } from "../sys/errno.ts";

const NAMES = [
  "EIO",
  "ENOSPC",
  "EDQUOT",
  "EROFS",
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "ENOTCONN",
  "ETIMEDOUT",
  "ENODEV",
  "ENXIO",
  "EUCLEAN",
  "EREMOTEIO",
] as const;

export const FAULTS: ReadonlySet<number> = new Set(NAMES.map((name) => ERRNO[name]));
