// Descriptors of nodes, for mounts whose kernel sends neither OPEN nor RELEASE (FUSE_NO_OPEN_SUPPORT): a request names its node only, and
// nobody tells which files are open. So a descriptor is opened when it is needed and kept while there is room.
//
// Any file the kernel knows may be open. What must stay true, therefore: every known file can be opened again, to be read and to be
// written, until it is forgotten. A file that loses its last name is pinned before, as a handle of the handle table; one whose permissions would refuse
// us is opened as its owner may (`asOwner`), and its descriptors are the last to be thrown out, so that this is rare.
import { O_ACCMODE, O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY } from "../../sys/constants.ts";
import { S_IFMT, S_IFREG, S_IRUSR, S_IWUSR } from "../../sys/constants.ts";
import { ERRNO } from "../../sys/errno.ts";
import { hot } from "../../sys/hot.ts";
import { STATX } from "../../sys/stat.ts";
import { STATX_AT } from "../codec/memory.ts";
import { DescriptorCache } from "./descriptor-cache.ts";
import type { Passthrough } from "./passthrough.ts";

const { EACCES, EMFILE, ENFILE, EPERM, ESTALE } = ERRNO;
const COMMON = O_NONBLOCK | O_CLOEXEC;
const OWN = S_IRUSR | S_IWUSR;

const isWritable = (flags: number): boolean => (flags & O_PATH) === 0 && (flags & O_ACCMODE) !== O_RDONLY;
const serves = (flags: number, writing: boolean): boolean =>
  (flags & O_PATH) === 0 && (writing ? isWritable(flags) : (flags & O_ACCMODE) !== O_WRONLY);
export const isRefusal = (result: number): boolean => result === -EACCES || result === -EPERM;

export class NodeFiles {
  readonly #fs: Passthrough;
  readonly #cache: DescriptorCache;
  readonly #pins: number;

  constructor(fs: Passthrough, capacity: number, pins: number) {
    this.#fs = fs;
    this.#pins = pins;
    this.#cache = new DescriptorCache(capacity);
  }

  /** Some descriptor that is open already, or -1. It stays until the request is over. */
  get(nodeid: number): number {
    const fd = this.#cache.get(nodeid);
    if (fd >= 0) this.#cache.hold(nodeid);
    return fd;
  }

  /** A descriptor to read the file by, or to write it by; -errno. It stays until the request is over. */
  fd(nodeid: number, writing: boolean): number {
    const cached = this.#cache.get(nodeid);
    if (cached < 0 && !this.#fs.nodes.has(nodeid)) return -ESTALE;
    const fd = cached >= 0 && serves(this.#cache.flags(nodeid), writing) ? cached : this.#ofHandles(nodeid, writing);
    if (fd < 0) return this.#open(nodeid, writing);
    this.#cache.hold(nodeid);
    return fd;
  }

  #ofHandles(nodeid: number, writing: boolean): number {
    const { handles, nodes } = this.#fs;
    for (let fh = nodes.firstHandle(nodeid); fh !== 0; fh = handles.next(fh)) {
      if (serves(handles.flags(fh), writing) && handles.fd(fh) >= 0) return handles.fd(fh);
    }
    return -1;
  }

  #open(nodeid: number, writing: boolean): number {
    // One descriptor for everything: a write-only one cannot read the rest of a page that is written in part.
    const flags = COMMON | (writing || this.#cache.get(nodeid) >= 0 ? O_RDWR : O_RDONLY);
    const free = this.#fs.openNode(nodeid, flags);
    if (!isRefusal(free)) return this.#keep(nodeid, free, flags, false);
    const owners = this.openAsOwner(nodeid, flags);
    if (!isRefusal(owners)) return this.#keep(nodeid, owners, flags, true);
    const least = COMMON | (writing ? O_WRONLY : O_RDONLY);
    return this.#keep(nodeid, this.#fs.openNode(nodeid, least), least, false);
  }

  /** `precious`: it could be had again only by changing permissions for a moment. */
  #keep(nodeid: number, fd: number, flags: number, precious: boolean): number {
    if (fd < 0) return fd;
    this.#fs.nodes.setOpened(nodeid);
    this.#cache.put(nodeid, fd, flags, precious);
    this.#cache.hold(nodeid);
    return fd;
  }

  /** Opens a file whose permissions would refuse us, as its owner may; -EACCES if it is not ours. */
  openAsOwner(nodeid: number, flags: number): number {
    const fs = this.#fs;
    const path = this.#fs.openNode(nodeid, O_PATH);
    if (path < 0) return path;
    const bits = (flags & O_ACCMODE) === O_RDONLY ? S_IRUSR : OWN;
    const fd = fs.asOwner(nodeid, path, bits, () => fs.reopen(path, flags));
    hot.close(path);
    return fd;
  }

  /** Takes the descriptor of a file over that was made with `mode`; 0, or -errno with the descriptor closed. */
  created(nodeid: number, fd: number, flags: number, mode: number, named: boolean): number {
    if (!named) {
      this.#fs.nodes.setOpened(nodeid);
      return this.#pinned(nodeid, flags, fd);
    }
    this.#keep(nodeid, fd, flags, (mode & OWN) !== OWN);
    return 0;
  }

  /** The owner's permissions are about to become `mode`: what could not be opened afterwards is opened now. */
  losing(nodeid: number, mode: number): void {
    if ((mode & OWN) === OWN || this.#fs.statNode(nodeid) < 0) return;
    const before = this.#fs.mem.word(STATX_AT + STATX.stx_mode);
    if ((before & S_IFMT) !== S_IFREG || (before & ~mode & OWN) === 0) return;
    if (this.#cache.get(nodeid) >= 0) {
      const flags = this.#cache.flags(nodeid);
      if (isWritable(flags)) return void this.#keep(nodeid, this.#cache.take(nodeid), flags, true);
    }
    for (const access of [O_RDWR, O_RDONLY, O_WRONLY]) {
      const fd = this.#fs.openNode(nodeid, COMMON | access);
      if (isRefusal(fd)) continue;
      this.#keep(nodeid, fd, COMMON | access, true);
      return;
    }
  }

  /**
   * `name` of the file in `dirfd` is about to be removed and no other is known: keeps a way to it.
   * @returns 0, or -errno: then it must not be removed, for it may be open.
   */
  pin(nodeid: number, dirfd: number, name: number): number {
    if (this.#isPinned(nodeid)) return 0;
    const flags = this.#cache.get(nodeid) >= 0 ? this.#cache.flags(nodeid) : O_PATH | O_CLOEXEC;
    let fd = this.#cache.take(nodeid);
    if (fd < 0) fd = this.#fs.openat(dirfd, name, flags | O_NOFOLLOW);
    return fd < 0 ? fd : this.#pinned(nodeid, flags, fd);
  }

  #pinned(nodeid: number, flags: number, fd: number): number {
    if (this.#fs.handles.count < this.#pins) return this.#fs.keepHandle(nodeid, flags, fd) === 0 ? -ENFILE : 0;
    hot.close(fd);
    return -EMFILE;
  }

  #isPinned(nodeid: number): boolean {
    const { handles, nodes } = this.#fs;
    for (let fh = nodes.firstHandle(nodeid); fh !== 0; fh = handles.next(fh)) if (handles.fd(fh) >= 0) return true;
    return false;
  }

  /** It kept its name, or was given one. */
  unpin(nodeid: number): void {
    const { handles, nodes } = this.#fs;
    for (let fh = nodes.firstHandle(nodeid); fh !== 0; fh = nodes.firstHandle(nodeid)) {
      const flags = handles.flags(fh);
      const fd = handles.take(fh);
      if (fd >= 0 && (flags & O_PATH) === 0) this.#cache.put(nodeid, fd, flags, true);
      else if (fd >= 0) hot.close(fd);
    }
  }

  /** The node id is given up. */
  remove(nodeid: number): void {
    this.#cache.remove(nodeid);
  }

  /** The kernel has forgotten the node: nobody has it open. */
  forgotten(nodeid: number): void {
    const { handles, nodes } = this.#fs;
    this.#cache.remove(nodeid);
    for (let fh = nodes.firstHandle(nodeid); fh !== 0; fh = nodes.firstHandle(nodeid)) handles.close(fh);
  }

  /** Nothing was asked for a while: a file that is open for writing keeps others from doing what they may (run it, mount read-only). */
  closeWritable(): void {
    this.#cache.removeIf((flags, precious) => isWritable(flags) && !precious);
  }

  /** Closes what no request works on, for others that need a descriptor more; false: there was nothing. */
  makeRoom(): boolean {
    return this.#cache.makeRoom();
  }

  /** The request is over. */
  release(): void {
    this.#cache.release();
  }

  close(): void {
    this.#cache.close();
  }
}
