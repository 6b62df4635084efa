// mount(2) and umount2(2), for those who may call them.
import { call } from "./call.ts";
import { libc } from "./libc.ts";
import { cstr } from "./name.ts";

/** mount(2). `data` is the filesystem's option string. EPERM without CAP_SYS_ADMIN. */
export const mount = (source: string, target: string, type: string, flags: number, data: string): void =>
  void call("mount", target, libc.mount, cstr(source), cstr(target), cstr(type), flags, cstr(data));

/** umount2(2). EBUSY while in use (unless MNT_DETACH), EINVAL if nothing is mounted there, EPERM without CAP_SYS_ADMIN. */
export const umount2 = (target: string, flags: number): void => void call("umount2", target, libc.umount2, cstr(target), flags);
