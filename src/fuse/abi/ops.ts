// THE operation table. Dispatch, the length checks, trace and the README's list of answered opcodes derive from it. An opcode that is not
// here is answered with ENOSYS, as is one that is here as refused; any other must have a handler (passthrough/handlers.ts), or nothing compiles.
import * as s from "./structs.ts";

export interface Op {
  readonly opcode: number;
  readonly name: string;
  /** Bytes of the fixed struct behind the header; a request shorter than that is EIO. */
  readonly size: number;
  /** NUL-terminated strings behind the struct. */
  readonly names: 0 | 1 | 2;
  /** False: the kernel expects no answer and would reject one. */
  readonly reply: boolean;
  /** How trace shows the struct: its 32- and 64-bit fields. */
  readonly layout: Readonly<Record<string, number>> | undefined;
  /** What the answer is, for trace and the documentation. */
  readonly out: string;
  /** Why an opcode has no handler: the answer is ENOSYS. */
  readonly refused?: string;
}

/** The name is part of the type, so that a row without a handler is a type error. */
type Row<N extends string> = Op & { readonly name: N };

type Options = Partial<Pick<Op, "reply" | "size">>;
const row = <N extends string>(
  opcode: number,
  name: N,
  layout: (Readonly<Record<string, number>> & { SIZE: number }) | undefined,
  names: 0 | 1 | 2,
  out: string,
  options: Options = {},
): Row<N> => ({
  opcode,
  name,
  size: layout?.SIZE ?? 0,
  names,
  reply: true,
  layout,
  out,
  ...options,
});
const refused = <N extends string>(opcode: number, name: N, reason: string): Row<N> & { readonly refused: string } => ({
  ...row(opcode, name, undefined, 0, "error"),
  refused: reason,
});

export const OPS = [
  row(1, "LOOKUP", undefined, 1, "fuse_entry_out"),
  row(2, "FORGET", s.fuse_forget_in, 0, "none", { reply: false }),
  row(3, "GETATTR", s.fuse_getattr_in, 0, "fuse_attr_out"),
  row(4, "SETATTR", s.fuse_setattr_in, 0, "fuse_attr_out"),
  row(5, "READLINK", undefined, 0, "bytes"),
  row(6, "SYMLINK", undefined, 2, "fuse_entry_out"),
  row(8, "MKNOD", s.fuse_mknod_in, 1, "fuse_entry_out"),
  row(9, "MKDIR", s.fuse_mkdir_in, 1, "fuse_entry_out"),
  row(10, "UNLINK", undefined, 1, "empty"),
  row(11, "RMDIR", undefined, 1, "empty"),
  row(12, "RENAME", s.fuse_rename_in, 2, "empty"),
  row(13, "LINK", s.fuse_link_in, 1, "fuse_entry_out"),
  row(14, "OPEN", s.fuse_open_in, 0, "fuse_open_out"),
  row(15, "READ", s.fuse_read_in, 0, "bytes"),
  row(16, "WRITE", s.fuse_write_in, 0, "fuse_write_out"),
  row(17, "STATFS", undefined, 0, "fuse_statfs_out"),
  row(18, "RELEASE", s.fuse_release_in, 0, "empty"),
  row(20, "FSYNC", s.fuse_fsync_in, 0, "empty"),
  // The struct is 8 bytes without FUSE_SETXATTR_EXT, which decides where the name begins: the handler finds it.
  row(21, "SETXATTR", s.fuse_setxattr_in, 0, "empty", { size: 8 }),
  row(22, "GETXATTR", s.fuse_getxattr_in, 1, "fuse_getxattr_out or bytes"),
  row(23, "LISTXATTR", s.fuse_getxattr_in, 0, "fuse_getxattr_out or bytes"),
  row(24, "REMOVEXATTR", undefined, 1, "empty"),
  row(25, "FLUSH", s.fuse_flush_in, 0, "empty"),
  // 16 bytes before 7.36 and without FUSE_INIT_EXT.
  row(26, "INIT", s.fuse_init_in, 0, "fuse_init_out", { size: 16 }),
  row(27, "OPENDIR", s.fuse_open_in, 0, "fuse_open_out"),
  row(28, "READDIR", s.fuse_read_in, 0, "fuse_dirent..."),
  row(29, "RELEASEDIR", s.fuse_release_in, 0, "empty"),
  row(30, "FSYNCDIR", s.fuse_fsync_in, 0, "empty"),
  refused(31, "GETLK", "locks are the kernel's own (FUSE_POSIX_LOCKS is not negotiated)"),
  refused(32, "SETLK", "locks are the kernel's own"),
  refused(33, "SETLKW", "locks are the kernel's own; a waiting server thread would hang its callers"),
  refused(34, "ACCESS", "default_permissions: the kernel checks modes and ACLs itself"),
  row(35, "CREATE", s.fuse_create_in, 1, "fuse_entry_out + fuse_open_out"),
  row(36, "INTERRUPT", s.fuse_interrupt_in, 0, "none", { reply: false }),
  refused(37, "BMAP", "only for a mount of a block device"),
  row(38, "DESTROY", undefined, 0, "empty"),
  row(39, "IOCTL", s.fuse_ioctl_in, 0, "fuse_ioctl_out + bytes"),
  refused(40, "POLL", "regular files are always ready; the kernel answers by itself from then on"),
  refused(41, "NOTIFY_REPLY", "FUSE_NOTIFY_RETRIEVE is never sent"),
  row(42, "BATCH_FORGET", s.fuse_batch_forget_in, 0, "none", { reply: false }),
  row(43, "FALLOCATE", s.fuse_fallocate_in, 0, "empty"),
  row(44, "READDIRPLUS", s.fuse_read_in, 0, "fuse_direntplus..."),
  row(45, "RENAME2", s.fuse_rename2_in, 2, "empty"),
  row(46, "LSEEK", s.fuse_lseek_in, 0, "fuse_lseek_out"),
  row(47, "COPY_FILE_RANGE", s.fuse_copy_file_range_in, 0, "fuse_write_out"),
  refused(48, "SETUPMAPPING", "DAX exists on virtiofs only"),
  refused(49, "REMOVEMAPPING", "DAX exists on virtiofs only"),
  row(50, "SYNCFS", s.fuse_syncfs_in, 0, "empty"),
  row(51, "TMPFILE", s.fuse_create_in, 1, "fuse_entry_out + fuse_open_out"),
  row(52, "STATX", s.fuse_statx_in, 0, "fuse_statx_out"),
  row(53, "COPY_FILE_RANGE_64", s.fuse_copy_file_range_in, 0, "fuse_copy_file_range_out"),
] as const satisfies readonly Op[];

const byOpcode: (Op | undefined)[] = [];
for (const op of OPS) byOpcode[op.opcode] = op;

/** The row of an opcode; undefined for one we have never heard of. */
export const opOf = (opcode: number): Op | undefined => byOpcode[opcode];
