// What the handlers of one mount share: memory, tables, options, and the one function that turns a node into something a system call
// can name. A handler takes this and returns the length of its payload at OUT, or -errno.
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, F_DUPFD_CLOEXEC, O_CLOEXEC } from "../../sys/constants.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, S_ISGID, S_IXUSR } from "../../sys/constants.ts";
import { raw, settled } from "../../sys/call.ts";
import { ERRNO } from "../../sys/errno.ts";
import { hot, SYS } from "../../sys/hot.ts";
import { libc } from "../../sys/libc.ts";
import { STATX, STATX_BASIC_STATS, STATX_BTIME } from "../../sys/stat.ts";
import { FUSE_ROOT_ID } from "../abi/constants.ts";
import { EMPTY_AT, PATH_AT, STATX_AT, type Memory } from "../codec/memory.ts";
import type { Request } from "../codec/request.ts";
import type { Behaviour } from "./behaviour.ts";
import type { Credentials } from "./credentials.ts";
import { DescriptorCache } from "./descriptor-cache.ts";
import { HandleTable } from "./handle-table.ts";
import { InodeTable } from "./inode-table.ts";
import type { Journal } from "./journal.ts";
import type { LaneJob } from "./lane-job.ts";
import { Nameless, type Keeper } from "./nameless.ts";
import { isRefusal, NodeFiles } from "./node-files.ts";
import { SmallFiles } from "./small-files.ts";
import type { SharedTables } from "./shared-tables.ts";

const { EACCES, EBADF, EINVAL, EIO, ELOOP, EMFILE, ENFILE, ENOENT, ENOTDIR, ESTALE } = ERRNO;
const MASK = STATX_BASIC_STATS | STATX_BTIME;
const PROC_FD = Buffer.from("/proc/self/fd/", "latin1");

/** Returned by a handler in place of a length: the reply comes later, from an I/O lane. */
export const DEFERRED = -0x7fffffff;

/** What the handlers need from outside, injected so that they touch no device and no thread. */
export interface Services {
  /** Starts FUSE_PASSTHROUGH for `fd`; the backing id, or -errno. */
  backingOpen(fd: number): number;
  backingClose(id: number): void;
  /** Queues `job` for the request in hand; false: no descriptor is left for it, or too many wait. */
  defer(job: LaneJob): boolean;
  /** Closes the kept descriptors that no request works on, of all mounts of this thread; false: there were none. */
  makeRoom(): boolean;
  /** Tells the kernel something it did not ask for, with `size` bytes at OUT; before the reply is written there. */
  notify(code: number, size: number): number;
}

/** How many descriptors a mount may have open unasked. */
export interface Limits {
  /** To be used again. */
  readonly directories: number;
  readonly files: number;
  /** Of files without a name, which may be open: see node-files.ts. */
  readonly pins: number;
}

export class Passthrough {
  readonly mem: Memory;
  readonly req: Request;
  readonly nodes: InodeTable;
  readonly handles: HandleTable;
  readonly creds: Credentials;
  /** O_PATH descriptors of known directories, and of files that a rename replaced while somebody may still open them. */
  readonly dirs: DescriptorCache;
  /** In use with `behaviour.noOpen` only. */
  readonly files: NodeFiles;
  readonly small: SmallFiles;
  readonly nameless: Nameless;
  readonly behaviour: Behaviour;
  readonly services: Services;
  readonly journal: Journal;
  readonly rootFd: number;
  /** Counted by READ and WRITE. */
  bytesRead = 0;
  /** Reads that memory answered: nothing had to be fetched from a disk. */
  cacheHits = 0;
  bytesWritten = 0;
  /** preadv2(RWF_NOWAIT) works on this storage. */
  nowait = true;
  readonly #tables: SharedTables;
  // Identity of the file last looked at by `stat*`.
  #device = 0;
  #birth = 0;

  constructor(
    rootFd: number,
    mem: Memory,
    req: Request,
    creds: Credentials,
    tables: SharedTables,
    behaviour: Behaviour,
    services: Services,
    { directories, files, pins }: Limits,
    keeper?: Keeper,
  ) {
    this.rootFd = rootFd;
    this.mem = mem;
    this.#tables = tables;
    this.req = req;
    this.creds = creds;
    this.behaviour = behaviour;
    this.services = services;
    this.journal = tables.journal;
    this.dirs = new DescriptorCache(directories);
    this.files = new NodeFiles(this, files, pins);
    this.small = new SmallFiles(this);
    this.nameless = new Nameless(this, keeper);
    this.nodes = new InodeTable(tables);
    this.handles = new HandleTable(tables, this.nodes);
    this.nodes.onFree = (nodeid) => {
      this.dirs.remove(nodeid);
      this.files.remove(nodeid);
      this.small.remove(nodeid);
      this.nameless.forget(nodeid);
    };
    const result = this.statFd(rootFd);
    if (result < 0) throw new Error(`statx of the storage directory: errno ${-result}`);
    if (tables.resumed) {
      if (!this.#isStatted(FUSE_ROOT_ID)) throw new Error("another directory stands in storage than the one that was served");
      return;
    }
    this.nodes.lookedUp(this.#addNode());
    if (tables.lost) tables.skipKnownNodes();
  }

  close(): void {
    this.dirs.close();
    this.files.close();
    this.nameless.close();
    this.handles.closeDescriptors();
  }

  // --- identity of what STATX_AT holds -----------------------------------------------------------------------------------------

  #identify(): void {
    const { mem } = this;
    const major = mem.word(STATX_AT + STATX.stx_dev_major);
    this.#device = this.nodes.device(major, mem.word(STATX_AT + STATX.stx_dev_minor));
    const known = this.behaviour.births && (mem.word(STATX_AT + STATX.stx_mask) & STATX_BTIME) !== 0;
    const sec = mem.word(STATX_AT + STATX.stx_btime);
    this.#birth = known ? (Math.imul(sec, 0x9e3779b1) ^ mem.word(STATX_AT + STATX.stx_btime + 8)) >>> 0 : 0;
  }

  /** statx(dirfd, the name at `address`) into STATX_AT. */
  statName(dirfd: number, address: number): number {
    const result = settled(hot.statx(dirfd, address, AT_SYMLINK_NOFOLLOW, MASK, this.mem.address + STATX_AT));
    if (result === 0) this.#identify();
    return result;
  }

  statFd(fd: number): number {
    const { address } = this.mem;
    const result = settled(hot.statx(fd, address + EMPTY_AT, AT_EMPTY_PATH, MASK, address + STATX_AT));
    if (result === 0) this.#identify();
    return result;
  }

  #isStatted(nodeid: number): boolean {
    const { mem } = this;
    return this.nodes.is(nodeid, this.#device, mem.word(STATX_AT + STATX.stx_ino), mem.word(STATX_AT + STATX.stx_ino + 4), this.#birth);
  }

  /** The known node of the file at STATX_AT, or 0. */
  statted(): number {
    const { mem } = this;
    return this.nodes.find(this.#device, mem.word(STATX_AT + STATX.stx_ino), mem.word(STATX_AT + STATX.stx_ino + 4), this.#birth);
  }

  #addNode(): number {
    const { mem } = this;
    const directory = (mem.word(STATX_AT + STATX.stx_mode) & 0o170000) === 0o040000;
    const lo = mem.word(STATX_AT + STATX.stx_ino);
    return this.nodes.add(this.#device, lo, mem.word(STATX_AT + STATX.stx_ino + 4), this.#birth, directory);
  }

  /**
   * The node of the file at STATX_AT, made if new, remembered under this name, with one more lookup; 0 when the tables are full.
   * `length` 0: it has no name (O_TMPFILE).
   */
  enter(parent: number, source: Uint8Array, at: number, length: number): number {
    const nodeid = this.statted() || this.#addNode();
    if (nodeid === 0) return 0;
    const named = length === 0 || nodeid === FUSE_ROOT_ID || this.nodes.addName(nodeid, parent, source, at, length);
    if (!named && this.nodes.firstLink(nodeid) === 0) {
      // Nothing would lead to it: every open would be ESTALE.
      this.nodes.forget(nodeid, 0);
      return 0;
    }
    this.nodes.lookedUp(nodeid);
    return nodeid;
  }

  // --- descriptors -------------------------------------------------------------------------------------------------------------

  /** openat(2); where the process has no descriptor left, those kept for speed are given up for it. */
  openat(dirfd: number, name: number, flags: number, mode = 0): number {
    const fd = settled(hot.openat(dirfd, name, flags, mode));
    return this.#isExhausted(fd) ? settled(hot.openat(dirfd, name, flags, mode)) : fd;
  }

  /** A duplicate of `fd`, made likewise. */
  duplicate(fd: number): number {
    const copy = raw(libc.fcntl, fd, F_DUPFD_CLOEXEC, 3);
    return this.#isExhausted(copy) ? raw(libc.fcntl, fd, F_DUPFD_CLOEXEC, 3) : copy;
  }

  /** Closes what is kept for speed and no request works on; false: there was nothing. */
  makeRoom(): boolean {
    const directories = this.dirs.makeRoom();
    return this.files.makeRoom() || directories;
  }

  #isExhausted(result: number): boolean {
    return (result === -EMFILE || result === -ENFILE) && this.services.makeRoom();
  }

  // --- from a node to a descriptor ---------------------------------------------------------------------------------------------

  /** An O_PATH descriptor of a directory node, owned by the cache; -errno. Held until the request is over. */
  dirFd(nodeid: number): number {
    if (nodeid === FUSE_ROOT_ID) return this.rootFd;
    const cached = this.dirs.get(nodeid);
    if (cached >= 0) {
      this.dirs.hold(nodeid);
      return cached;
    }
    if (!this.nodes.has(nodeid)) return -ESTALE;
    if (!this.nodes.isDirectory(nodeid)) return -ENOTDIR;
    return this.#findDirectory(nodeid);
  }

  // Walks up to an ancestor whose descriptor is at hand, then down again by names: paths may be longer than PATH_MAX.
  #findDirectory(nodeid: number): number {
    const chain: number[] = [];
    let at = nodeid;
    let fd = -1;
    while (fd < 0) {
      const link = this.nodes.firstLink(at);
      if (link === 0 || chain.length > 100_000) return -ESTALE;
      chain.push(at);
      at = this.nodes.parentOf(link);
      fd = at === FUSE_ROOT_ID ? this.rootFd : this.dirs.get(at);
      if (fd >= 0) this.dirs.hold(at);
    }
    for (let child = chain.pop(); child !== undefined; child = chain.pop()) {
      const link = this.nodes.firstLink(child);
      if (link === 0) return -ESTALE;
      const name = this.nodes.names.address(this.nodes.nameOf(link));
      fd = this.#step(this.nodes.parentOf(link), fd, name, O_PATH | O_DIRECTORY);
      if (fd < 0) return fd === -ENOENT || fd === -ENOTDIR || fd === -ELOOP ? -ESTALE : fd;
      const result = this.statFd(fd);
      if (result < 0 || !this.#isStatted(child)) {
        hot.close(fd);
        return result < 0 ? result : -ESTALE;
      }
      this.dirs.put(child, fd);
      if (chain.length === 0) this.dirs.hold(child);
    }
    return fd;
  }

  /** openat(2) of a name. Files may be open in a directory that may no longer be searched, and must be found again: see node-files.ts. */
  #step(parent: number, dirfd: number, name: number, flags: number): number {
    const open = (): number => this.openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC);
    const fd = open();
    return fd === -EACCES && this.behaviour.noOpen ? this.asOwner(parent, dirfd, S_IXUSR, open) : fd;
  }

  /**
   * Runs `call` while the owner of the file behind `fd` has the permissions `bits`, if that is us: for what the kernel permitted before
   * a chmod(2) took it away. -EACCES when it is not for us to give. The shared tables know the mode to be restored.
   */
  asOwner(nodeid: number, fd: number, bits: number, call: () => number): number {
    const { mem, creds } = this;
    const result = this.statFd(fd);
    if (result < 0) return result;
    const mode = mem.word(STATX_AT + STATX.stx_mode) & 0o7777;
    if (!creds.owns(mem.word(STATX_AT + STATX.stx_uid)) || (mode & bits) === bits) return -EACCES;
    // Outside of its group the owner's chmod would drop set-group-ID.
    if ((mode & S_ISGID) !== 0 && !creds.isMember(mem.word(STATX_AT + STATX.stx_gid))) return -EACCES;
    this.#tables.noteMode(nodeid, mode);
    const changed = this.chmodFd(fd, mode | bits);
    const called = changed < 0 ? -EACCES : call();
    if (changed === 0) this.chmodFd(fd, mode);
    this.#tables.noteMode(0, 0);
    return called;
  }

  /** A predecessor died in `asOwner`. */
  mendMode(): void {
    const { nodeid, mode } = this.#tables.notedMode;
    if (nodeid === 0) return;
    const fd = this.borrow(nodeid);
    if (fd >= 0) this.chmodFd(fd, mode);
    this.giveBack();
    this.#tables.noteMode(0, 0);
  }

  /**
   * Attributes of a node into STATX_AT: by its descriptor, one of its names, or an open handle of it. A directory that was closed to us
   * (EACCES) hides a name, not the file.
   */
  statNode(nodeid: number): number {
    const { nodes } = this;
    if (!nodes.has(nodeid)) return -ESTALE;
    if (nodeid === FUSE_ROOT_ID) return this.statFd(this.rootFd);
    const cached = Math.max(this.dirs.get(nodeid), this.files.get(nodeid));
    if (cached >= 0) return this.statFd(cached);
    let failure = -ESTALE;
    for (let link = nodes.firstLink(nodeid); link !== 0;) {
      const next = nodes.nextLink(link);
      const dirfd = this.dirFd(nodes.parentOf(link));
      const result = dirfd < 0 ? dirfd : this.statName(dirfd, nodes.names.address(nodes.nameOf(link)));
      if (result === 0 && this.#isStatted(nodeid)) return 0;
      if (result === -EACCES) failure = result;
      else if (result < 0 && result !== -ENOENT && result !== -ESTALE) return result;
      else if (dirfd >= 0 && next !== 0) nodes.removeLink(nodeid, link); // it means something else now; the last one stays for a retry
      link = next;
    }
    const fd = this.#anyHandle(nodeid);
    return fd >= 0 ? this.statFd(fd) : this.#statOpened(nodeid, failure);
  }

  // Its directory may not be searched (any more), but fstat(2) of an open file needs no directory.
  #statOpened(nodeid: number, refused: number): number {
    if (refused !== -EACCES || !this.behaviour.noOpen) return refused;
    const fd = this.borrow(nodeid);
    const result = fd < 0 ? fd : this.statFd(fd);
    this.giveBack();
    return result;
  }

  #anyHandle(nodeid: number): number {
    const cached = this.files.get(nodeid);
    if (cached >= 0) return cached;
    for (let fh = this.nodes.firstHandle(nodeid); fh !== 0; fh = this.handles.next(fh)) {
      const fd = this.handles.fd(fh);
      if (fd >= 0) return fd;
    }
    return this.nameless.fd(nodeid);
  }

  /** Opens a node by one of its names, checked to be that file; or through an open handle when it has no name any more. */
  openNode(nodeid: number, flags: number): number {
    const { nodes } = this;
    if (!nodes.has(nodeid)) return -ESTALE;
    if (nodeid === FUSE_ROOT_ID || nodes.isDirectory(nodeid)) {
      const dirfd = this.dirFd(nodeid);
      return dirfd < 0 ? dirfd : this.openat(dirfd, this.procPath(dirfd), flags & ~O_NOFOLLOW);
    }
    let failure = -ESTALE;
    for (let link = nodes.firstLink(nodeid); link !== 0; link = nodes.nextLink(link)) {
      const dirfd = this.dirFd(nodes.parentOf(link));
      if (dirfd < 0) {
        if (dirfd !== -ESTALE) failure = dirfd;
        continue;
      }
      const fd = this.#step(nodes.parentOf(link), dirfd, nodes.names.address(nodes.nameOf(link)), flags);
      if (fd < 0) {
        if (fd !== -ENOENT && fd !== -ELOOP) failure = fd;
        continue;
      }
      if (this.statFd(fd) === 0 && this.#isStatted(nodeid)) return fd;
      hot.close(fd);
    }
    const open = this.#anyHandle(nodeid);
    const kept = open >= 0 ? open : this.dirs.get(nodeid); // of a file that a rename replaced
    return kept >= 0 ? this.reopen(kept, flags) : failure;
  }

  /** `openNode` for a file that was opened when its permissions allowed that, or made without any, as git makes its objects. */
  openNodeAnyhow(nodeid: number, flags: number): number {
    const asked = this.openNode(nodeid, flags);
    if (!isRefusal(asked)) return asked;
    const kept = this.nameless.duplicate(nodeid, flags);
    return kept >= 0 ? kept : this.files.openAsOwner(nodeid, flags);
  }

  /** Opens the file behind a descriptor anew. */
  reopen(fd: number, flags: number): number {
    return this.openat(AT_FDCWD, this.procPath(fd), flags | O_CLOEXEC);
  }

  /** Set by `borrow` to the descriptor that `giveBack` must close. */
  #borrowed = -1;

  /** Some descriptor of a node, good for `procPath` and AT_EMPTY_PATH (it may be O_PATH); -errno. Pair with `giveBack`. */
  borrow(nodeid: number): number {
    if (!this.nodes.has(nodeid)) return -ESTALE;
    if (nodeid === FUSE_ROOT_ID || this.nodes.isDirectory(nodeid)) return this.dirFd(nodeid);
    const open = this.#anyHandle(nodeid);
    if (open >= 0) return open;
    const fd = this.openNode(nodeid, O_PATH);
    if (fd >= 0) this.#borrowed = fd;
    return fd;
  }

  giveBack(): void {
    if (this.#borrowed >= 0) hot.close(this.#borrowed);
    this.#borrowed = -1;
  }

  /**
   * Runs `direct`, or `byPath` with a path that names the file behind `fd` where that is an O_PATH descriptor, to many calls EBADF. The path costs
   * several times as much: the kernel makes an inode in /proc for it.
   */
  onFd(fd: number, direct: () => number, byPath: (path: number) => number): number {
    const result = settled(direct());
    return result === -EBADF ? settled(byPath(this.procPath(fd))) : result;
  }

  /** fchmod(2). */
  chmodFd(fd: number, mode: number): number {
    // Since Linux 6.6 one call does for every descriptor; what it refuses, for whatever reason, is tried in the old ways.
    if (hot.fchmodat2(SYS.fchmodat2, fd, this.mem.address + EMPTY_AT, mode, AT_EMPTY_PATH) === 0) return 0;
    return this.onFd(
      fd,
      () => hot.fchmod(fd, mode),
      (path) => hot.fchmodat(AT_FDCWD, path, mode, 0),
    );
  }

  /** futimens(3) with the two struct timespec at `times`. */
  setTimesFd(fd: number, times: number): number {
    const result = settled(hot.utimensat(fd, this.mem.address + EMPTY_AT, times, AT_EMPTY_PATH));
    return result === -EINVAL ? settled(hot.utimensat(AT_FDCWD, this.procPath(fd), times, 0)) : result; // before Linux 5.8
  }

  /** Address of "/proc/self/fd/N": names exactly the file behind a descriptor, a symlink too, whatever its path has become. */
  procPath(fd: number): number {
    const { bytes, address } = this.mem;
    bytes.set(PROC_FD, PATH_AT);
    let digits = 1;
    for (let rest = fd; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
    const end = PATH_AT + PROC_FD.length + digits;
    bytes[end] = 0;
    for (let at = end - 1, rest = fd; digits > 0; digits -= 1, at -= 1, rest = Math.floor(rest / 10)) bytes[at] = 0x30 + (rest % 10);
    return address + PATH_AT;
  }

  /** The descriptor of a handle, reopened if a predecessor had it open; -EBADF-like -EIO for one that is unknown. */
  handleFd(fh: number): number {
    if (!this.handles.has(fh)) return -EIO;
    const fd = this.handles.fd(fh);
    if (fd >= 0) return fd;
    const again = this.openNodeAnyhow(this.handles.node(fh), this.handles.flags(fh));
    if (again >= 0) this.handles.setFd(fh, again);
    return again;
  }

  /**
   * The descriptor that a request on an open file means: `fh`, or with FUSE_NO_OPEN_SUPPORT the node's own; -errno. Good until the
   * request is over.
   */
  openFd(nodeid: number, fh: number, writing: boolean): number {
    return fh === 0 && this.behaviour.noOpen ? this.files.fd(nodeid, writing) : this.handleFd(fh);
  }

  /** The request is over: what it held may go. */
  release(): void {
    this.giveBack();
    this.dirs.release();
    this.files.release();
  }

  /** Keeps `fd` as an open handle; 0 with the descriptor closed when the table is full. */
  keepHandle(nodeid: number, flags: number, fd: number): number {
    const fh = this.handles.open(nodeid, flags, fd);
    if (fh === 0) hot.close(fd);
    return fh;
  }
}
