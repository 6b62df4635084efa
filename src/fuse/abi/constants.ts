// Numbers of the protocol, include/uapi/linux/fuse.h, with the kernel's names; the ABI version where newer than 7.31.

export const FUSE_KERNEL_VERSION = 7;
/** The newest minor version we know; the session speaks the smaller of this and the kernel's. */
export const FUSE_KERNEL_MINOR_VERSION = 45;
/** Linux 5.4; older kernels are refused at INIT. */
export const OLDEST_MINOR_VERSION = 31;
export const FUSE_ROOT_ID = 1;

export const FATTR_MODE = 1 << 0;
export const FATTR_UID = 1 << 1;
export const FATTR_GID = 1 << 2;
export const FATTR_SIZE = 1 << 3;
export const FATTR_ATIME = 1 << 4;
export const FATTR_MTIME = 1 << 5;
export const FATTR_FH = 1 << 6;
export const FATTR_ATIME_NOW = 1 << 7;
export const FATTR_MTIME_NOW = 1 << 8;
export const FATTR_CTIME = 1 << 10;
export const FATTR_KILL_SUIDGID = 1 << 11; // 7.33

/** Reply to OPEN, OPENDIR and CREATE. */
export const FOPEN_DIRECT_IO = 1 << 0;
export const FOPEN_KEEP_CACHE = 1 << 1;
export const FOPEN_CACHE_DIR = 1 << 3;
export const FOPEN_NOFLUSH = 1 << 5; // 7.35
export const FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6; // 7.38
export const FOPEN_PASSTHROUGH = 1 << 7; // 7.40

/** Bits 0..31 of the INIT flags. */
export const INIT_FLAGS = {
  FUSE_ASYNC_READ: 1 << 0,
  FUSE_POSIX_LOCKS: 1 << 1,
  FUSE_ATOMIC_O_TRUNC: 1 << 3,
  FUSE_EXPORT_SUPPORT: 1 << 4,
  FUSE_BIG_WRITES: 1 << 5,
  FUSE_DONT_MASK: 1 << 6,
  FUSE_FLOCK_LOCKS: 1 << 10,
  FUSE_AUTO_INVAL_DATA: 1 << 12,
  FUSE_DO_READDIRPLUS: 1 << 13,
  FUSE_READDIRPLUS_AUTO: 1 << 14,
  FUSE_ASYNC_DIO: 1 << 15,
  FUSE_WRITEBACK_CACHE: 1 << 16,
  FUSE_NO_OPEN_SUPPORT: 1 << 17,
  FUSE_PARALLEL_DIROPS: 1 << 18,
  FUSE_HANDLE_KILLPRIV: 1 << 19,
  FUSE_POSIX_ACL: 1 << 20,
  FUSE_ABORT_ERROR: 1 << 21,
  FUSE_MAX_PAGES: 1 << 22,
  FUSE_CACHE_SYMLINKS: 1 << 23,
  FUSE_NO_OPENDIR_SUPPORT: 1 << 24,
  FUSE_EXPLICIT_INVAL_DATA: 1 << 25,
  FUSE_SUBMOUNTS: 1 << 27,
  FUSE_HANDLE_KILLPRIV_V2: 1 << 28, // 7.33
  FUSE_SETXATTR_EXT: 1 << 29, // 7.33
  FUSE_INIT_EXT: 1 << 30, // 7.36
} as const;

/** Bits 32..63 of the INIT flags, shifted down as in flags2 (7.36). */
export const INIT_FLAGS2 = {
  FUSE_SECURITY_CTX: 1 << 0,
  FUSE_CREATE_SUPP_GROUP: 1 << 2, // 7.38
  FUSE_HAS_EXPIRE_ONLY: 1 << 3, // 7.38
  FUSE_DIRECT_IO_ALLOW_MMAP: 1 << 4, // 7.39
  FUSE_PASSTHROUGH: 1 << 5, // 7.40
  FUSE_NO_EXPORT_SUPPORT: 1 << 6, // 7.40
  FUSE_HAS_RESEND: 1 << 7, // 7.40
  FUSE_ALLOW_IDMAP: 1 << 8, // 7.41
  FUSE_OVER_IO_URING: 1 << 9, // 7.42
  FUSE_REQUEST_TIMEOUT: 1 << 10, // 7.43
} as const;

export const FUSE_GETATTR_FH = 1 << 0;
export const FUSE_WRITE_CACHE = 1 << 0;
export const FUSE_WRITE_KILL_SUIDGID = 1 << 2;
export const FUSE_FSYNC_FDATASYNC = 1 << 0;
export const FUSE_OPEN_KILL_SUIDGID = 1 << 0; // 7.33
export const FUSE_SETXATTR_ACL_KILL_SGID = 1 << 0; // 7.33
export const FUSE_EXT_GROUPS = 32; // 7.38
export const FUSE_NOTIFY_STORE = 4;
export const FUSE_NOTIFY_RESEND = 7; // 7.40
/** The high word's top bit of `unique`: the request was read before, by this server or its predecessor (7.40). */
export const FUSE_UNIQUE_RESEND_HI = 0x80000000;

const _IOW = (nr: number, size: number): number => 0x40000000 + (size << 16) + (229 << 8) + nr;
export const FUSE_DEV_IOC_BACKING_OPEN = _IOW(1, 16); // 7.40
export const FUSE_DEV_IOC_BACKING_CLOSE = _IOW(2, 4); // 7.40
