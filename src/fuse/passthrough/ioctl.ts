// File flags and project ids (lsattr(1), chattr(1), linux/fs.h), which the kernel has already checked who may change. Other controls
// belong to devices or to one kind of filesystem and are not ours to forward.
import { settled } from "../../sys/call.ts";
import { ERRNO } from "../../sys/errno.ts";
import { hot } from "../../sys/hot.ts";
import { fuse_ioctl_in, fuse_ioctl_out } from "../abi/structs.ts";
import { IN, OUT } from "../codec/memory.ts";
import type { Passthrough } from "./passthrough.ts";

const { EINVAL, ENOTTY } = ERRNO;

/** FS_IOC_*: how many bytes go in and come out. The kernel sends flags as 32 bits, which is what filesystems read and write. */
const CONTROLS: ReadonlyMap<number, { readonly in: number; readonly out: number }> = new Map([
  [0x80086601, { in: 0, out: 4 }], // FS_IOC_GETFLAGS
  [0x40086602, { in: 4, out: 0 }], // FS_IOC_SETFLAGS
  [0x801c581f, { in: 0, out: 28 }], // FS_IOC_FSGETXATTR, struct fsxattr
  [0x401c5820, { in: 28, out: 0 }], // FS_IOC_FSSETXATTR
]);

export function ioctl(fs: Passthrough): number {
  const { mem, req } = fs;
  const cmd = mem.word(IN + fuse_ioctl_in.cmd);
  const sizes = CONTROLS.get(cmd);
  if (sizes === undefined) return -ENOTTY;
  const payload = IN + fuse_ioctl_in.SIZE;
  if (mem.word(IN + fuse_ioctl_in.out_size) < sizes.out || req.end - payload < sizes.in) return -EINVAL;
  const fd = fs.openFd(req.nodeid, mem.long(IN + fuse_ioctl_in.fh), false);
  if (fd < 0) return fd;
  const data = OUT + fuse_ioctl_out.SIZE;
  mem.clear(OUT, fuse_ioctl_out.SIZE);
  mem.bytes.copyWithin(data, payload, payload + sizes.in);
  const result = settled(hot.ioctl(fd, cmd, mem.address + data));
  return result < 0 ? result : fuse_ioctl_out.SIZE + sizes.out;
}
