// Makes a FUSE mount and returns its /dev/fuse descriptor, which then answers for the mount: by mount(2) as root, through the set-uid
// fusermount3 otherwise. The kernel queues requests until somebody reads the descriptor, so mounting needs no server yet.
// Root mounts on a descriptor of the directory. fusermount3 takes a path, which somebody may lead elsewhere; it mounts only on what is
// the user's, and where it did is looked at afterwards.
import { fstatSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { posix } from "node:path";
import { O_CLOEXEC, O_RDWR, AT_FDCWD, MS_NODEV, MS_NOSUID } from "../sys/constants.ts";
import { SysError } from "../sys/errno.ts";
import { close, openat } from "../sys/file.ts";
import { fdPath } from "../sys/fd-path.ts";
import { mount } from "../sys/mount.ts";
import { readMountinfo, type MountInfo } from "../sys/mountinfo.ts";
import { cstr } from "../sys/name.ts";
import { receiveFds, socketpair } from "../sys/socket.ts";
import { HmpersistError } from "../errors.ts";
import { findFusermount } from "./find-fusermount.ts";
import { readFuseConf } from "./fuse-conf.ts";
import { directOptions, fusermountOptions, FSTYPE, type MountRequest } from "./options.ts";
import { runFusermount } from "./run.ts";
import type { OpenDirectory } from "./unmount.ts";

/** SCM_MAX_FD: no message carries more, so none can be too long for us. */
const MAX_FDS = 253;
/** makedev(10, 229): misc, FUSE_MINOR (linux/miscdevice.h). */
const FUSE_RDEV = (10 << 8) | 229;

/** Mounts ahead of time what `serve` will answer; resolves to the device descriptor, which the caller owns. */
export type Mounter = (request: MountRequest) => Promise<number>;

/**
 * The way of mounting for this process.
 * @throws HmpersistError HMP_ENVIRONMENT if there is none (no /dev/fuse, no usable fusermount3).
 */
export function createMounter(open: OpenDirectory, env: NodeJS.ProcessEnv = process.env): Mounter {
  checkDevice();
  if (process.geteuid?.() === 0) return (request) => mountDirectly(request, open);
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

async function mountDirectly(request: MountRequest, open: OpenDirectory): Promise<number> {
  const place = await open(request.mountpoint);
  const device = openDevice();
  try {
    const data = directOptions(request, device, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
    // Waits for nobody: the directory is found already, and FUSE's mount(2) asks no server.
    mount(request.fsname, fdPath(place), FSTYPE, MS_NOSUID | MS_NODEV, data);
    return device;
  } catch (error) {
    close(device);
    throw error;
  } finally {
    close(place);
  }
}

async function mountThroughHelper(fusermount: string, request: MountRequest, withHints: boolean): Promise<number> {
  const wanted = posix.join(await realpath(request.root), posix.relative(request.root, request.mountpoint));
  // The kernel gives a mount's number to another as soon as it is free.
  const key = ({ id, device, mountpoint }: MountInfo): string => `${id} ${device} ${mountpoint}`;
  const before = new Set(readMountinfo().map(key));
  const device = await askHelper(fusermount, request, withHints);
  const made = readMountinfo().filter((mount) => !before.has(key(mount)) && mount.type === FSTYPE && mount.source === request.fsname);
  if (made.some(({ mountpoint }) => mountpoint === wanted)) return device;
  // Nobody will answer there.
  close(device);
  for (const { mountpoint } of made) await runFusermount(fusermount, ["-u", "-z", "--", mountpoint]);
  throw astray(request.mountpoint);
}

/** Somebody exchanged a directory for a link, or moved it, while a mount was made below. */
export const astray = (mountpoint: string): HmpersistError =>
  new HmpersistError("HMP_REFUSED", `${mountpoint} is not where it was a moment ago: not mounted`, "'hmpersist apply' tries again");

async function askHelper(fusermount: string, request: MountRequest, withHints: boolean): Promise<number> {
  const [ours, theirs] = socketpair("stream");
  try {
    // The child finds its end as descriptor 3, whatever number it has here.
    const args = ["-o", fusermountOptions(request, withHints), "--", request.mountpoint];
    const ran = await runFusermount(fusermount, args, { env: { _FUSE_COMMFD: "3" }, commFd: theirs });
    if (ran.code !== 0) throw refused(request, ran.said);
    // fusermount3 sends before it exits, so the descriptor is there or never will be.
    const fds = receiveFds(ours, 1, MAX_FDS, false)?.fds ?? [];
    const [device] = fds;
    if (device !== undefined && fds.length === 1 && isFuseDevice(device)) return device;
    for (const fd of fds) close(fd);
    throw refused(request, `${fusermount} sent ${fds.length === 0 ? "no descriptor" : "something other than a descriptor of /dev/fuse"}`);
  } finally {
    close(ours);
    close(theirs);
  }
}

function isFuseDevice(fd: number): boolean {
  const stat = fstatSync(fd);
  return stat.isCharacterDevice() && stat.rdev === FUSE_RDEV;
}

function refused(request: MountRequest, said: string): HmpersistError {
  return new HmpersistError("HMP_ENVIRONMENT", `cannot mount on ${request.mountpoint}: ${said}`, hintFor(said));
}

function hintFor(said: string): string {
  if (/user_allow_other/.test(said)) return "add the line 'user_allow_other' to /etc/fuse.conf, or set allowOther = false";
  if (/too many FUSE filesystems/.test(said)) return "raise mount_max in /etc/fuse.conf";
  if (/Operation not permitted/.test(said))
    return "is fusermount3 set-uid root, and does the mountpoint lie outside a container or sandbox that forbids mounting?";
  if (/Permission denied/.test(said)) {
    const outer = readFuseConf().userAllowOther ? "allowOther" : "allowOther and the line 'user_allow_other' in /etc/fuse.conf";
    return `you must own the mountpoint and be able to write it; below another FUSE mount the outer one needs ${outer}`;
  }
  return "'hmpersist doctor' checks what mounting needs";
}
