// Descriptors over sockets (unix(7), SCM_RIGHTS) and datagrams to a named socket; the two things node:net cannot do.
import type { Socket } from "node:net";
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  POLLHUP,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  SO_PEERCRED,
} from "./constants.ts";
import { call, raw } from "./call.ts";
import { ERRNO, isErrno, SysError } from "./errno.ts";
import { close } from "./file.ts";
import { addressOf, libc } from "./libc.ts";

// struct msghdr on a 64-bit Linux: name, namelen(+pad), iov, iovlen, control, controllen, flags(+pad).
const MSGHDR = { size: 56, iov: 16, iovlen: 24, control: 32, controllen: 40, flags: 48 } as const;
const CMSG_HEADER = 16;
const cmsgAlign = (length: number): number => (length + 7) & ~7;

/** A connected pair, close-on-exec. "stream" is what fusermount3 expects; "seqpacket" keeps message boundaries. */
export function socketpair(type: "stream" | "seqpacket"): [number, number] {
  const fds = Buffer.alloc(8);
  const kind = type === "stream" ? SOCK_STREAM : SOCK_SEQPACKET;
  call("socketpair", undefined, libc.socketpair, AF_UNIX, kind | SOCK_CLOEXEC, 0, fds);
  return [fds.readInt32LE(0), fds.readInt32LE(4)];
}

// What a header points to lives as long as the header itself, which whoever calls the kernel holds.
const pointedTo = new WeakMap<Buffer, readonly Buffer[]>();

/** A struct msghdr for `data`, and `control` if that is not empty. */
function message(data: Buffer, control: Buffer): Buffer {
  const iov = Buffer.alloc(16);
  iov.writeBigUInt64LE(addressOf(data), 0);
  iov.writeBigUInt64LE(BigInt(data.length), 8);
  const header = Buffer.alloc(MSGHDR.size);
  header.writeBigUInt64LE(addressOf(iov), MSGHDR.iov);
  header.writeBigUInt64LE(1n, MSGHDR.iovlen);
  if (control.length > 0) {
    header.writeBigUInt64LE(addressOf(control), MSGHDR.control);
    header.writeBigUInt64LE(BigInt(control.length), MSGHDR.controllen);
  }
  pointedTo.set(header, [data, iov, control]);
  return header;
}

/** Sends `data` (at least one byte) together with duplicates of `fds`. Throws SysError (EAGAIN: it is full and must not wait). */
export function sendFds(socket: number, data: Buffer, fds: readonly number[], flags = 0): void {
  const control = Buffer.alloc(fds.length === 0 ? 0 : cmsgAlign(CMSG_HEADER + 4 * fds.length));
  if (fds.length > 0) {
    control.writeBigUInt64LE(BigInt(CMSG_HEADER + 4 * fds.length), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    fds.forEach((fd, index) => control.writeInt32LE(fd, CMSG_HEADER + 4 * index));
  }
  call("sendmsg", undefined, libc.sendmsg, socket, message(data, control), MSG_NOSIGNAL | flags);
}

/** The same without waiting. @returns false if the socket is full, or nobody is at its other end any more. */
export function sendFdsIfRoom(socket: number, data: Buffer, fds: readonly number[]): boolean {
  try {
    sendFds(socket, data, fds, MSG_DONTWAIT);
    return true;
  } catch (error) {
    if (!isErrno(error, "EAGAIN", "EPIPE")) throw error;
    return false;
  }
}

/** One small message with at most one descriptor, sent again and again: its memory is laid out once (30 us less than `sendFds`). */
export class FdMessage {
  readonly data: Buffer;
  readonly #control = Buffer.alloc(cmsgAlign(CMSG_HEADER + 4));
  readonly #header: Buffer;

  constructor(size: number) {
    this.data = Buffer.alloc(size);
    this.#control.writeBigUInt64LE(BigInt(CMSG_HEADER + 4), 0);
    this.#control.writeInt32LE(SOL_SOCKET, 8);
    this.#control.writeInt32LE(SCM_RIGHTS, 12);
    this.#header = message(this.data, this.#control);
  }

  /** Never waits. @returns -errno, or the bytes sent. */
  send(socket: number, fd: number | undefined): number {
    this.#header.writeUInt32LE(fd === undefined ? 0 : this.#control.length, MSGHDR.controllen);
    this.#control.writeInt32LE(fd ?? 0, CMSG_HEADER);
    return raw(libc.sendmsg, socket, this.#header, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

/** What a receive gave: the bytes (none at the end of the stream) and the descriptors that came along, close-on-exec. */
export interface Received {
  readonly data: Buffer;
  readonly fds: number[];
}

/** Receives one message of up to `size` bytes and `maxFds` descriptors; undefined when `wait` is false and nothing is there. */
export function receiveFds(socket: number, size: number, maxFds: number, wait: boolean): Received | undefined {
  const data = Buffer.alloc(size);
  const control = Buffer.alloc(cmsgAlign(CMSG_HEADER + 4 * maxFds));
  const header = message(data, control);
  const length = raw(libc.recvmsg, socket, header, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  if (length === -ERRNO.EAGAIN) return undefined;
  if (length < 0) throw new SysError("recvmsg", -length);
  const fds = readRights(control, Number(header.readBigUInt64LE(MSGHDR.controllen)));
  if ((header.readInt32LE(MSGHDR.flags) & MSG_CTRUNC) !== 0) {
    for (const fd of fds) close(fd);
    throw new SysError("recvmsg", ERRNO.EMSGSIZE, "more descriptors than asked for");
  }
  return { data: data.subarray(0, length), fds };
}

function readRights(control: Buffer, length: number): number[] {
  const fds: number[] = [];
  let at = 0;
  while (at + CMSG_HEADER <= length) {
    const size = Number(control.readBigUInt64LE(at));
    if (size < CMSG_HEADER || at + size > length) break;
    if (control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS) {
      for (let offset = at + CMSG_HEADER; offset + 4 <= at + size; offset += 4) fds.push(control.readInt32LE(offset));
    }
    at += cmsgAlign(size);
  }
  return fds;
}

/** The uid of the process at the other end of a connected unix socket (SO_PEERCRED). */
export function peerUid(socket: number): number {
  const credentials = Buffer.alloc(12);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(12);
  call("getsockopt", "SO_PEERCRED", libc.getsockopt, socket, SOL_SOCKET, SO_PEERCRED, credentials, length);
  return credentials.readUInt32LE(4);
}

/** Sends one datagram, with descriptors if given, to the socket `path`; a leading "@" is the abstract namespace (sd_notify(3)). */
export function sendDatagram(path: string, data: Buffer, fds: readonly number[] = []): void {
  const address = unixAddress(path);
  const socket = call("socket", undefined, libc.socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    call("connect", path, libc.connect, socket, address, address.length);
    sendFds(socket, data, fds);
  } finally {
    close(socket);
  }
}

/** struct sockaddr_un of a path; a leading "@" is the abstract namespace. */
export function unixAddress(path: string): Buffer {
  const name = Buffer.from(path, "utf8");
  if (name[0] === 0x40) name[0] = 0;
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX);
  name.copy(address, 2);
  return address;
}

/** The descriptor of a stream of node's; -1 once that is closed. */
export const fdOf = (socket: Socket): number => (socket as Socket & { _handle: { fd: number } | null })._handle?.fd ?? -1;

/** Whether the other end of a stream was closed, and not only for writing: nobody hears what is sent there. */
export function hasHungUp(fd: number): boolean {
  const pollfd = Buffer.alloc(8);
  pollfd.writeInt32LE(fd, 0);
  call("poll", undefined, libc.poll, pollfd, 1, 0);
  return (pollfd.readInt16LE(6) & POLLHUP) !== 0;
}
