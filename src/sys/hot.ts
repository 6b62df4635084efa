// The request path's system calls. Pointers are numbers (addresses below 2^47, exact in a double): the request, reply and scratch
// memory is mapped once and never moves, so a name or a payload is an address and no Buffer slice is made (100 ns each).
// Like `libc`, every function is raw: wrap the call in `settled` to have -errno. 0 is the null pointer.
import { arch } from "node:process";
import { bind } from "./libc.ts";

type N = number;

export const hot = {
  // files
  openat: bind<(dirfd: N, path: N, flags: N, mode: N) => N>("int openat(int, int64_t, int, uint32_t)"),
  close: bind<(fd: N) => N>("int close(int)"),
  read: bind<(fd: N, buf: N, count: N) => N>("int64_t read(int, int64_t, size_t)"),
  write: bind<(fd: N, buf: N, count: N) => N>("int64_t write(int, int64_t, size_t)"),
  pread: bind<(fd: N, buf: N, count: N, offset: N) => N>("int64_t pread(int, int64_t, size_t, int64_t)"),
  pwrite: bind<(fd: N, buf: N, count: N, offset: N) => N>("int64_t pwrite(int, int64_t, size_t, int64_t)"),
  preadv2: bind<(fd: N, iov: N, count: N, offset: N, flags: N) => N>("int64_t preadv2(int, int64_t, int, int64_t, int)"),
  lseek: bind<(fd: N, offset: N | bigint, whence: N) => N | bigint>("int64_t lseek(int, int64_t, int)"),
  truncate: bind<(path: N, length: N) => N>("int truncate(int64_t, int64_t)"),
  ftruncate: bind<(fd: N, length: N) => N>("int ftruncate(int, int64_t)"),
  fallocate: bind<(fd: N, mode: N, offset: N, length: N) => N>("int fallocate(int, int, int64_t, int64_t)"),
  copy_file_range: bind<(fdIn: N, offIn: N, fdOut: N, offOut: N, length: N, flags: N) => N>(
    "int64_t copy_file_range(int, int64_t, int, int64_t, size_t, uint32_t)",
  ),
  getdents64: bind<(number: N, fd: N, buf: N, count: N) => N>("long syscall(long, int, int64_t, size_t)"),
  ioctl: bind<(fd: N, request: N, arg: N) => N>("int ioctl(int, ulong, int64_t)"),

  // attributes
  statx: bind<(dirfd: N, path: N, flags: N, mask: N, buf: N) => N>("int statx(int, int64_t, int, uint32_t, int64_t)"),
  fstatfs: bind<(fd: N, buf: N) => N>("int fstatfs(int, int64_t)"),
  fchmod: bind<(fd: N, mode: N) => N>("int fchmod(int, uint32_t)"),
  fchmodat: bind<(dirfd: N, path: N, mode: N, flags: N) => N>("int fchmodat(int, int64_t, uint32_t, int)"),
  /** fchmodat2(2), by its number. */
  fchmodat2: bind<(number: N, dirfd: N, path: N, mode: N, flags: N) => N>("long syscall(long, int, int64_t, uint32_t, int)"),
  fchownat: bind<(dirfd: N, path: N, uid: N, gid: N, flags: N) => N>("int fchownat(int, int64_t, uint32_t, uint32_t, int)"),
  utimensat: bind<(dirfd: N, path: N, times: N, flags: N) => N>("int utimensat(int, int64_t, int64_t, int)"),

  // names
  mkdirat: bind<(dirfd: N, path: N, mode: N) => N>("int mkdirat(int, int64_t, uint32_t)"),
  mknodat: bind<(dirfd: N, path: N, mode: N, dev: N) => N>("int mknodat(int, int64_t, uint32_t, uint64_t)"),
  symlinkat: bind<(target: N, dirfd: N, path: N) => N>("int symlinkat(int64_t, int, int64_t)"),
  readlinkat: bind<(dirfd: N, path: N, buf: N, size: N) => N>("int64_t readlinkat(int, int64_t, int64_t, size_t)"),
  linkat: bind<(olddirfd: N, oldpath: N, newdirfd: N, newpath: N, flags: N) => N>("int linkat(int, int64_t, int, int64_t, int)"),
  unlinkat: bind<(dirfd: N, path: N, flags: N) => N>("int unlinkat(int, int64_t, int)"),
  renameat2: bind<(olddirfd: N, oldpath: N, newdirfd: N, newpath: N, flags: N) => N>("int renameat2(int, int64_t, int, int64_t, uint32_t)"),

  // extended attributes
  getxattr: bind<(path: N, name: N, value: N, size: N) => N>("int64_t getxattr(int64_t, int64_t, int64_t, size_t)"),
  setxattr: bind<(path: N, name: N, value: N, size: N, flags: N) => N>("int setxattr(int64_t, int64_t, int64_t, size_t, int)"),
  listxattr: bind<(path: N, list: N, size: N) => N>("int64_t listxattr(int64_t, int64_t, size_t)"),
  removexattr: bind<(path: N, name: N) => N>("int removexattr(int64_t, int64_t)"),
  fgetxattr: bind<(fd: N, name: N, value: N, size: N) => N>("int64_t fgetxattr(int, int64_t, int64_t, size_t)"),
  fsetxattr: bind<(fd: N, name: N, value: N, size: N, flags: N) => N>("int fsetxattr(int, int64_t, int64_t, size_t, int)"),
  flistxattr: bind<(fd: N, list: N, size: N) => N>("int64_t flistxattr(int, int64_t, size_t)"),
  fremovexattr: bind<(fd: N, name: N) => N>("int fremovexattr(int, int64_t)"),

  // waiting
  epoll_create1: bind<(flags: N) => N>("int epoll_create1(int)"),
  epoll_ctl: bind<(epfd: N, op: N, fd: N, event: N) => N>("int epoll_ctl(int, int, int, int64_t)"),
  epoll_wait: bind<(epfd: N, events: N, maxevents: N, timeout: N) => N>("int epoll_wait(int, int64_t, int, int)"),

  // this thread alone: raw, because glibc's own setgroups changes every thread of the process
  unshare: bind<(flags: N) => N>("int unshare(int)"),
  umask: bind<(mask: N) => N>("uint32_t umask(uint32_t)"),
  setfsuid: bind<(uid: N) => N>("int setfsuid(uint32_t)"),
  setfsgid: bind<(gid: N) => N>("int setfsgid(uint32_t)"),
  /** capget(2) and capset(2), by their number. */
  capability: bind<(number: N, header: N, data: N) => N>("long syscall(long, int64_t, int64_t)"),
  setgroups: bind<(number: N, count: N, list: N) => N>("long syscall(long, size_t, int64_t)"),

  // memory
  mmap: bind<(address: N, length: N, prot: N, flags: N, fd: N, offset: N) => N>("int64_t mmap(int64_t, size_t, int, int, int, int64_t)"),
  munmap: bind<(address: N, length: N) => N>("int munmap(int64_t, size_t)"),
};

/** syscall(2) numbers; they differ between architectures. */
export const SYS =
  arch === "arm64"
    ? { getdents64: 61, setgroups: 159, capget: 90, capset: 91, fchmodat2: 452 }
    : { getdents64: 217, setgroups: 116, capget: 125, capset: 126, fchmodat2: 452 };
