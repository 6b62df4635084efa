// When a mount of libfuse's is over. It calls nobody back, so a clone of its /dev/fuse descriptor is watched: the kernel hangs it up
// when the last user of the mount is gone, after a lazy unmount as well, or when the connection is aborted. A clone and no duplicate:
// to watch makes it non-blocking, which a duplicate would share with libfuse, and libfuse gives up on EAGAIN.
import { readdirSync, readlinkSync } from "node:fs";
import { call } from "../sys/call.ts";
import { AT_FDCWD, O_CLOEXEC, O_RDWR } from "../sys/constants.ts";
import { fdPath } from "../sys/fd-path.ts";
import { close, openat } from "../sys/file.ts";
import { libc, watchHangup } from "../sys/libc.ts";
import { readMountinfo } from "../sys/mountinfo.ts";
import { cstr } from "../sys/name.ts";

/** _IOR(229, 0, uint32_t), include/uapi/linux/fuse.h */
const FUSE_DEV_IOC_CLONE = 0x8004e500;

/** The descriptors of this process that are /dev/fuse. */
export function openDevices(): number[] {
  return readdirSync("/proc/self/fd").map(Number).filter(isDevice);
}

function isDevice(fd: number): boolean {
  try {
    return readlinkSync(fdPath(fd)) === "/dev/fuse";
  } catch {
    // The one that listed the directory is closed by now.
    return false;
  }
}

export class Connection {
  /** Undefined when it was unmounted, else why it broke. Never rejects. */
  readonly ended: Promise<string | undefined>;

  /** The connection of the mount at `mountpoint`, made since `before` was taken by `openDevices`. */
  constructor(mountpoint: string, before: readonly number[]) {
    const device = openDevices().find((fd) => !before.includes(fd));
    if (device === undefined) throw new Error(`${mountpoint}: libfuse has no /dev/fuse open`);
    const watched = clone(device);
    const id = readMountinfo().findLast((mount) => mount.mountpoint === mountpoint)?.id;
    this.ended = new Promise((resolve) => {
      const unwatch = watchHangup(watched, () => {
        unwatch();
        close(watched);
        resolve(readMountinfo().some((mount) => mount.id === id) ? "its connection to the kernel was aborted" : undefined);
      });
    });
  }
}

function clone(device: number): number {
  const copy = openat(AT_FDCWD, cstr("/dev/fuse"), O_RDWR | O_CLOEXEC);
  const number = Buffer.alloc(4);
  number.writeUInt32LE(device);
  call("ioctl", "FUSE_DEV_IOC_CLONE", libc.ioctl, copy, FUSE_DEV_IOC_CLONE, number);
  return copy;
}
