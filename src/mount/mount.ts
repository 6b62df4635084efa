// Makes a FUSE mount and returns its /dev/fuse descriptor, which then answers for the mount: by mount(2) as root, through the set-uid
// fusermount3 otherwise. The kernel queues requests until somebody reads the descriptor, so mounting needs no server yet.
import { O_CLOEXEC, O_RDWR, AT_FDCWD, MS_NODEV, MS_NOSUID } from "../sys/constants.ts";
import { SysError } from "../sys/errno.ts";
import { close, openat } from "../sys/file.ts";
import { mount } from "../sys/mount.ts";
import { cstr } from "../sys/name.ts";
import { receiveFds, socketpair } from "../sys/socket.ts";
import { HmpersistError } from "../errors.ts";
import { findFusermount } from "./find-fusermount.ts";
import { directOptions, fusermountOptions, FSTYPE, type MountRequest } from "./options.ts";
import { runFusermount } from "./run.ts";

/** Mounts ahead of time what `serve` will answer; resolves to the device descriptor, which the caller owns. */
export type Mounter = (request: MountRequest) => Promise<number>;

/**
 * The way of mounting for this process.
 * @throws HmpersistError HMP_ENVIRONMENT if there is none (no /dev/fuse, no usable fusermount3).
 */
export function createMounter(env: NodeJS.ProcessEnv = process.env): Mounter {
  checkDevice();
  if (process.geteuid?.() === 0) return mountDirectly;
  const fusermount = findFusermount(env, false);
  // fusermount3 before 3.17 refuses x-gvfs-*; learnt once for all mounts.
  let hintsWork = true;
  return async (request) => {
    try {
      return await mountThroughHelper(fusermount, request, hintsWork);
    } catch (error) {
      if (!hintsWork || request.hints.length === 0 || !/unknown option/.test(String(error))) throw error;
      hintsWork = false;
      return mountThroughHelper(fusermount, request, false);
    }
  };
}

function openDevice(): number {
  return openat(AT_FDCWD, cstr("/dev/fuse"), O_RDWR | O_CLOEXEC);
}

function checkDevice(): void {
  try {
    close(openDevice());
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    const hint =
      error.code === "EACCES"
        ? "as root: chmod 0666 /dev/fuse (udev does this where the fuse package is installed)"
        : "load the kernel module: modprobe fuse; in a container pass the device in: --device /dev/fuse";
    throw new HmpersistError("HMP_ENVIRONMENT", `/dev/fuse cannot be opened: ${error.code}`, hint, { cause: error });
  }
}

// Not async inside: mount(2) of FUSE waits for nobody.
async function mountDirectly(request: MountRequest): Promise<number> {
  const device = openDevice();
  try {
    const data = directOptions(request, device, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
    mount(request.fsname, request.mountpoint, FSTYPE, MS_NOSUID | MS_NODEV, data);
    return device;
  } catch (error) {
    close(device);
    throw error;
  }
}

async function mountThroughHelper(fusermount: string, request: MountRequest, withHints: boolean): Promise<number> {
  const [ours, theirs] = socketpair("stream");
  try {
    // The child finds its end as descriptor 3, whatever number it has here.
    const args = ["-o", fusermountOptions(request, withHints), "--", request.mountpoint];
    const ran = await runFusermount(fusermount, args, { env: { _FUSE_COMMFD: "3" }, commFd: theirs });
    if (ran.code !== 0) throw refused(request, ran.said);
    // fusermount3 sends before it exits, so the descriptor is there or never will be.
    const received = receiveFds(ours, 1, 1, false);
    const [device, ...extra] = received?.fds ?? [];
    for (const fd of extra) close(fd);
    if (device === undefined) throw refused(request, `${fusermount} sent no descriptor`);
    return device;
  } finally {
    close(ours);
    close(theirs);
  }
}

function refused(request: MountRequest, said: string): HmpersistError {
  return new HmpersistError("HMP_ENVIRONMENT", `cannot mount on ${request.mountpoint}: ${said}`, hintFor(said));
}

function hintFor(said: string): string {
  if (/user_allow_other/.test(said)) return "add the line 'user_allow_other' to /etc/fuse.conf, or set allowOther = false";
  if (/too many FUSE filesystems/.test(said)) return "raise mount_max in /etc/fuse.conf";
  if (/Operation not permitted/.test(said))
    return "is fusermount3 set-uid root, and does the mountpoint lie outside a container or sandbox that forbids mounting?";
  if (/Permission denied/.test(said))
    return "you must own the mountpoint and be able to write it; below another FUSE mount the outer one needs allowOther";
  return "'hmpersist doctor' checks what mounting needs";
}
