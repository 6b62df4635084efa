// The /dev/fuse descriptor of one mount: the only file that touches it. Non-blocking, so that a thread can serve many and poll.
import { F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC, O_NONBLOCK } from "../sys/constants.ts";
import { call, settled } from "../sys/call.ts";
import { hot } from "../sys/hot.ts";
import { libc } from "../sys/libc.ts";
import { FUSE_DEV_IOC_BACKING_CLOSE, FUSE_DEV_IOC_BACKING_OPEN, FUSE_NOTIFY_RESEND } from "./abi/constants.ts";
import { fuse_backing_map, fuse_out_header } from "./abi/structs.ts";
import type { Unique } from "./passthrough/journal.ts";
import { IOCTL_AT, REPLY, REQUEST, REQUEST_SIZE, type Memory } from "./codec/memory.ts";

export class Device {
  readonly fd: number;
  readonly #mem: Memory;

  constructor(fd: number, mem: Memory) {
    this.fd = fd;
    this.#mem = mem;
    call("fcntl", "/dev/fuse", libc.fcntl, fd, F_SETFL, call("fcntl", "/dev/fuse", libc.fcntl, fd, F_GETFL, 0) | O_NONBLOCK);
    call("fcntl", "/dev/fuse", libc.fcntl, fd, F_SETFD, FD_CLOEXEC);
  }

  /** One request to REQUEST: its length; -EAGAIN: none is there; -ENODEV: unmounted; -ENOENT, -EINTR: try again. */
  read(): number {
    return settled(hot.read(this.fd, this.#mem.address + REQUEST, REQUEST_SIZE));
  }

  /** The reply at REPLY. -ENOENT: the request was interrupted meanwhile and nobody waits for it any more. */
  write(length: number): number {
    return settled(hot.write(this.fd, this.#mem.address + REPLY, length));
  }

  /** Tells the kernel something it did not ask for: `code` with the `size` bytes at OUT. */
  notify(code: number, size: number): number {
    const mem = this.#mem;
    const length = fuse_out_header.SIZE + size;
    mem.clear(REPLY, fuse_out_header.SIZE);
    mem.setWord(REPLY + fuse_out_header.len, length);
    mem.setWord(REPLY + fuse_out_header.error, code);
    return this.write(length);
  }

  /** Asks for what a predecessor had read and not answered. Kernels before 6.9 refuse it. */
  resend(): number {
    return this.notify(FUSE_NOTIFY_RESEND, 0);
  }

  /** Answers a request that a predecessor had read. -ENOENT: it was answered before. */
  fail([lo, hi]: Unique, errno: number): number {
    const mem = this.#mem;
    mem.setWord(REPLY + fuse_out_header.len, fuse_out_header.SIZE);
    mem.setWord(REPLY + fuse_out_header.error, -errno);
    mem.setWord(REPLY + fuse_out_header.unique, lo);
    mem.setWord(REPLY + fuse_out_header.unique + 4, hi);
    return this.write(fuse_out_header.SIZE);
  }

  /** Makes `fd` a backing file of FUSE_PASSTHROUGH; its id, or -errno. */
  backingOpen(fd: number): number {
    const mem = this.#mem;
    mem.clear(IOCTL_AT, fuse_backing_map.SIZE);
    mem.setWord(IOCTL_AT + fuse_backing_map.fd, fd);
    return settled(hot.ioctl(this.fd, FUSE_DEV_IOC_BACKING_OPEN, mem.address + IOCTL_AT));
  }

  backingClose(id: number): void {
    this.#mem.setWord(IOCTL_AT, id);
    hot.ioctl(this.fd, FUSE_DEV_IOC_BACKING_CLOSE, this.#mem.address + IOCTL_AT);
  }

  close(): void {
    hot.close(this.fd);
  }
}
