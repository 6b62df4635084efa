// Which function answers which row of the operation table. `satisfies` makes a row that has neither a handler nor a refusal a type error.
import type { OPS } from "../abi/ops.ts";
import { getattr, setattr, statfs, statx } from "./attr.ts";
import { opendir, readdir, readdirplus, releasedir } from "./dir.ts";
import { copyFileRange, copyFileRange64, fallocate, flush, fsync, lseek, read, syncfs, write } from "./file.ts";
import { ioctl } from "./ioctl.ts";
import { batchForget, forget, lookup } from "./lookup.ts";
import { link, mkdir, mknod, readlink, rename, rename2, rmdir, symlink, unlink } from "./namespace.ts";
import { create, open, release, tmpfile } from "./open-file.ts";
import type { Passthrough } from "./passthrough.ts";
import { getxattr, listxattr, removexattr, setxattr } from "./xattr.ts";

/** Answers the request in `fs.req`: bytes of payload written at OUT, -errno, or DEFERRED. */
export type Handler = (fs: Passthrough) => number;

/** Requests that concern the connection and not files: the session answers them itself. */
export const OF_SESSION = ["INIT", "DESTROY", "INTERRUPT"] as const;

type AnyRow = (typeof OPS)[number];
type Answered = Exclude<AnyRow, { readonly refused: string } | { readonly name: (typeof OF_SESSION)[number] }>["name"];

const HANDLERS = {
  LOOKUP: lookup,
  FORGET: forget,
  GETATTR: getattr,
  SETATTR: setattr,
  READLINK: readlink,
  SYMLINK: symlink,
  MKNOD: mknod,
  MKDIR: mkdir,
  UNLINK: unlink,
  RMDIR: rmdir,
  RENAME: rename,
  LINK: link,
  OPEN: open,
  READ: read,
  WRITE: write,
  STATFS: statfs,
  RELEASE: release,
  FSYNC: fsync,
  SETXATTR: setxattr,
  GETXATTR: getxattr,
  LISTXATTR: listxattr,
  REMOVEXATTR: removexattr,
  FLUSH: flush,
  OPENDIR: opendir,
  READDIR: readdir,
  RELEASEDIR: releasedir,
  FSYNCDIR: fsync,
  CREATE: create,
  BATCH_FORGET: batchForget,
  FALLOCATE: fallocate,
  READDIRPLUS: readdirplus,
  RENAME2: rename2,
  IOCTL: ioctl,
  LSEEK: lseek,
  COPY_FILE_RANGE: copyFileRange,
  SYNCFS: syncfs,
  TMPFILE: tmpfile,
  STATX: statx,
  COPY_FILE_RANGE_64: copyFileRange64,
} satisfies Record<Answered, Handler>;

/** The handler of a row; undefined for the session's own and for refused ones. */
export const handlerOf = (name: string): Handler | undefined => (HANDLERS as Partial<Record<string, Handler>>)[name];
