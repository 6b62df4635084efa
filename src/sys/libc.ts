// The only import of koffi: one C prototype per line, as in the man pages' section 2. Every function here is raw: it returns what
// libc returns; `call.ts` turns a failure into an errno. Pointers to bytes are Buffers, names are Buffers ending in NUL.
// koffi passes a Buffer's own memory, so `uint8_t*` serves for input and output alike and nothing is copied.
import koffi from "koffi";

const lib = koffi.load(null);

// koffi types every function as (...args: any[]) => any; the casts below give each its own.
type Bytes = Uint8Array | null;
/** Binds one C prototype; `hot.ts` holds those of the request path. */
export const bind = <F extends (...args: never[]) => unknown>(prototype: string): F & { async: (...args: unknown[]) => void } =>
  lib.func(prototype) as unknown as F & { async: (...args: unknown[]) => void };

export const libc = {
  // files
  openat: bind<(dirfd: number, path: Bytes, flags: number, mode: number) => number>("int openat(int, uint8_t*, int, uint32_t)"),
  close: bind<(fd: number) => number>("int close(int)"),
  dup: bind<(fd: number) => number>("int dup(int)"),
  fcntl: bind<(fd: number, cmd: number, arg: number) => number>("int fcntl(int, int, int64_t)"),
  read: bind<(fd: number, buf: Bytes, count: number) => number>("int64_t read(int, uint8_t*, size_t)"),
  write: bind<(fd: number, buf: Bytes, count: number) => number>("int64_t write(int, uint8_t*, size_t)"),
  pread: bind<(fd: number, buf: Bytes, count: number, offset: number) => number>("int64_t pread(int, uint8_t*, size_t, int64_t)"),
  pwrite: bind<(fd: number, buf: Bytes, count: number, offset: number) => number>("int64_t pwrite(int, uint8_t*, size_t, int64_t)"),
  fsync: bind<(fd: number) => number>("int fsync(int)"),
  fdatasync: bind<(fd: number) => number>("int fdatasync(int)"),
  syncfs: bind<(fd: number) => number>("int syncfs(int)"),
  ftruncate: bind<(fd: number, length: number) => number>("int ftruncate(int, int64_t)"),
  fallocate: bind<(fd: number, mode: number, offset: number, length: number) => number>("int fallocate(int, int, int64_t, int64_t)"),
  lseek: bind<(fd: number, offset: number, whence: number) => number>("int64_t lseek(int, int64_t, int)"),
  ioctl: bind<(fd: number, request: number, arg: Bytes) => number>("int ioctl(int, ulong, uint8_t*)"),
  flock: bind<(fd: number, operation: number) => number>("int flock(int, int)"),
  copy_file_range: bind<(fdIn: number, offIn: Bytes, fdOut: number, offOut: Bytes, length: number, flags: number) => number>(
    "int64_t copy_file_range(int, uint8_t*, int, uint8_t*, size_t, uint32_t)",
  ),

  // attributes
  statx: bind<(dirfd: number, path: Bytes, flags: number, mask: number, buf: Bytes) => number>(
    "int statx(int, uint8_t*, int, uint32_t, uint8_t*)",
  ),
  fchmodat: bind<(dirfd: number, path: Bytes, mode: number, flags: number) => number>("int fchmodat(int, uint8_t*, uint32_t, int)"),
  fchownat: bind<(dirfd: number, path: Bytes, uid: number, gid: number, flags: number) => number>(
    "int fchownat(int, uint8_t*, uint32_t, uint32_t, int)",
  ),
  utimensat: bind<(dirfd: number, path: Bytes, times: Bytes, flags: number) => number>("int utimensat(int, uint8_t*, uint8_t*, int)"),
  futimens: bind<(fd: number, times: Bytes) => number>("int futimens(int, uint8_t*)"),

  // names
  getdents64: bind<(fd: number, buf: Bytes, size: number) => number>("int64_t getdents64(int, uint8_t*, size_t)"),
  mkdirat: bind<(dirfd: number, path: Bytes, mode: number) => number>("int mkdirat(int, uint8_t*, uint32_t)"),
  mknodat: bind<(dirfd: number, path: Bytes, mode: number, dev: number) => number>("int mknodat(int, uint8_t*, uint32_t, uint64_t)"),
  symlinkat: bind<(target: Bytes, dirfd: number, path: Bytes) => number>("int symlinkat(uint8_t*, int, uint8_t*)"),
  readlinkat: bind<(dirfd: number, path: Bytes, buf: Bytes, size: number) => number>("int64_t readlinkat(int, uint8_t*, uint8_t*, size_t)"),
  linkat: bind<(olddirfd: number, oldpath: Bytes, newdirfd: number, newpath: Bytes, flags: number) => number>(
    "int linkat(int, uint8_t*, int, uint8_t*, int)",
  ),
  unlinkat: bind<(dirfd: number, path: Bytes, flags: number) => number>("int unlinkat(int, uint8_t*, int)"),
  renameat2: bind<(olddirfd: number, oldpath: Bytes, newdirfd: number, newpath: Bytes, flags: number) => number>(
    "int renameat2(int, uint8_t*, int, uint8_t*, uint32_t)",
  ),

  // extended attributes
  lgetxattr: bind<(path: Bytes, name: Bytes, value: Bytes, size: number) => number>(
    "int64_t lgetxattr(uint8_t*, uint8_t*, uint8_t*, size_t)",
  ),
  lsetxattr: bind<(path: Bytes, name: Bytes, value: Bytes, size: number, flags: number) => number>(
    "int lsetxattr(uint8_t*, uint8_t*, uint8_t*, size_t, int)",
  ),
  llistxattr: bind<(path: Bytes, list: Bytes, size: number) => number>("int64_t llistxattr(uint8_t*, uint8_t*, size_t)"),
  lremovexattr: bind<(path: Bytes, name: Bytes) => number>("int lremovexattr(uint8_t*, uint8_t*)"),
  getxattr: bind<(path: Bytes, name: Bytes, value: Bytes, size: number) => number>(
    "int64_t getxattr(uint8_t*, uint8_t*, uint8_t*, size_t)",
  ),
  setxattr: bind<(path: Bytes, name: Bytes, value: Bytes, size: number, flags: number) => number>(
    "int setxattr(uint8_t*, uint8_t*, uint8_t*, size_t, int)",
  ),
  listxattr: bind<(path: Bytes, list: Bytes, size: number) => number>("int64_t listxattr(uint8_t*, uint8_t*, size_t)"),
  removexattr: bind<(path: Bytes, name: Bytes) => number>("int removexattr(uint8_t*, uint8_t*)"),

  // mounts, sockets, memory
  mount: bind<(source: Bytes, target: Bytes, type: Bytes, flags: number, data: Bytes) => number>(
    "int mount(uint8_t*, uint8_t*, uint8_t*, ulong, uint8_t*)",
  ),
  umount2: bind<(target: Bytes, flags: number) => number>("int umount2(uint8_t*, int)"),
  socketpair: bind<(domain: number, type: number, protocol: number, fds: Bytes) => number>("int socketpair(int, int, int, uint8_t*)"),
  socket: bind<(domain: number, type: number, protocol: number) => number>("int socket(int, int, int)"),
  connect: bind<(fd: number, address: Bytes, addressLength: number) => number>("int connect(int, uint8_t*, uint32_t)"),
  sendmsg: bind<(fd: number, message: Bytes, flags: number) => number>("int64_t sendmsg(int, uint8_t*, int)"),
  recvmsg: bind<(fd: number, message: Bytes, flags: number) => number>("int64_t recvmsg(int, uint8_t*, int)"),
  getsockopt: bind<(fd: number, level: number, name: number, value: Bytes, length: Bytes) => number>(
    "int getsockopt(int, int, int, uint8_t*, uint8_t*)",
  ),
  memfd_create: bind<(name: Bytes, flags: number) => number>("int memfd_create(uint8_t*, uint32_t)"),
  mmap: bind<(address: null, length: number, prot: number, flags: number, fd: number, offset: number) => bigint>(
    "void* mmap(void*, size_t, int, int, int, int64_t)",
  ),
  eventfd: bind<(initial: number, flags: number) => number>("int eventfd(uint32_t, int)"),
  poll: bind<(fds: Bytes, count: number, timeout: number) => number>("int poll(uint8_t*, ulong, int)"),

  // process
  /** pidfd_open(2), by its number: not every libc has it. */
  pidfd_open: bind<(number: number, pid: number, flags: number) => number>("long syscall(long, int, uint32_t)"),
  _exit: bind<(status: number) => void>("void _exit(int)"),
  getrlimit: bind<(resource: number, limit: Bytes) => number>("int getrlimit(int, uint8_t*)"),
  setrlimit: bind<(resource: number, limit: Bytes) => number>("int setrlimit(int, uint8_t*)"),
};

/** errno of the last libc call of this thread. Only `call.ts` may read it, right after the call and in the same turn. */
export const lastErrno = (): number => koffi.errno();

/** The address of a Buffer's memory, for structures that hold pointers (msghdr, iovec). Keep the Buffer alive meanwhile. */
export const addressOf = (buffer: Uint8Array): bigint => koffi.address(buffer);

/** Native memory as an ArrayBuffer, not copied; the mapping must outlive every use of it. */
export const viewOf = (pointer: bigint, length: number): ArrayBuffer => koffi.view(pointer, length);

/** Loads a shared library for the code loaded after it: its symbols are global, and a library of its SONAME counts as loaded. */
export const loadLibrary = (path: string): void => void koffi.load(path, { global: true });

/** Calls `onEvent` on the event loop whenever `fd` can be read or has ended. Returns what ends the watch. */
export function watchReadable(fd: number, onEvent: () => void): () => void {
  const handle = koffi.node.poll(fd, { readable: true }, onEvent);
  return () => handle.close();
}

/** Calls `onEvent` on the event loop when `fd` hangs up or errs; nothing else about it is waited for. Returns what ends the watch. */
export function watchHangup(fd: number, onEvent: () => void): () => void {
  const handle = koffi.node.poll(fd, { disconnect: true }, onEvent);
  return () => handle.close();
}
