// Takes mounts away. Nothing here follows a link at the mountpoint, and nothing blocks the caller's thread: a umount of a mount whose
// server is stuck may wait for it.
import { MNT_DETACH, UMOUNT_NOFOLLOW } from "../sys/constants.ts";
import { callAsync } from "../sys/call.ts";
import { isErrno } from "../sys/errno.ts";
import { libc } from "../sys/libc.ts";
import { readMountinfo } from "../sys/mountinfo.ts";
import { cstr } from "../sys/name.ts";
import { findFusermount } from "./find-fusermount.ts";
import { runFusermount } from "./run.ts";

export type UnmountResult = "unmounted" | "busy" | { readonly failed: string };

/** Unmounts the topmost mount on `target`. `lazy` detaches it now and lets open files end it (MNT_DETACH). */
export async function unmount(target: string, lazy: boolean): Promise<UnmountResult> {
  return process.geteuid?.() === 0 ? unmountDirectly(target, lazy) : unmountThroughHelper(target, lazy);
}

async function unmountDirectly(target: string, lazy: boolean): Promise<UnmountResult> {
  try {
    await callAsync("umount2", target, libc.umount2, cstr(target), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
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
