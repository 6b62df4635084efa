// Takes mounts away. Root goes there by a descriptor of the directory above, so that no link leads to somebody else's mount; fusermount3
// unmounts nothing that is not the user's. Nothing blocks the caller's thread: a umount of a mount whose server is stuck may wait for it.
import { posix } from "node:path";
import { MNT_DETACH, UMOUNT_NOFOLLOW } from "../sys/constants.ts";
import { callAsync } from "../sys/call.ts";
import { isErrno } from "../sys/errno.ts";
import { fdPath } from "../sys/fd-path.ts";
import { close } from "../sys/file.ts";
import { libc } from "../sys/libc.ts";
import { readMountinfo } from "../sys/mountinfo.ts";
import { cstr } from "../sys/name.ts";
import { findFusermount } from "./find-fusermount.ts";
import { runFusermount } from "./run.ts";

export type UnmountResult = "unmounted" | "busy" | { readonly failed: string };

/** Opens a directory without following links below what the caller trusts; the descriptor is given away. */
export type OpenDirectory = (path: string) => Promise<number>;

/** Unmounts the topmost mount on `target`. `lazy` detaches it now and lets open files end it (MNT_DETACH). */
export async function unmount(target: string, lazy: boolean, open: OpenDirectory): Promise<UnmountResult> {
  return process.geteuid?.() === 0 ? unmountDirectly(target, lazy, open) : unmountThroughHelper(target, lazy);
}

async function unmountDirectly(target: string, lazy: boolean, open: OpenDirectory): Promise<UnmountResult> {
  try {
    const above = await open(posix.dirname(target));
    try {
      const name = cstr(`${fdPath(above)}/${posix.basename(target)}`);
      await callAsync("umount2", target, libc.umount2, name, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
    } finally {
      close(above);
    }
    return "unmounted";
  } catch (error) {
    if (isErrno(error, "EBUSY")) return "busy";
    if (isErrno(error, "EINVAL") && !isMounted(target)) return "unmounted";
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}

async function unmountThroughHelper(target: string, lazy: boolean): Promise<UnmountResult> {
  const ran = await runFusermount(findFusermount(process.env, false), [lazy ? "-uz" : "-u", "--", target]);
  if (ran.code === 0 || !isMounted(target)) return "unmounted";
  return /[Bb]usy/.test(ran.said) ? "busy" : { failed: ran.said };
}

/** Whether anything is mounted exactly there. */
export const isMounted = (target: string): boolean => readMountinfo().some((mount) => mount.mountpoint === target);
