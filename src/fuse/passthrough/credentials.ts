// Acting as the caller: served by root for others, what jane creates must be jane's, and her missing CAP_FSETID must clear set-id bits.
// fsuid, fsgid and groups are set for this thread alone by raw system calls, and the umask too since the thread has left the
// process's fs_struct (CLONE_FS). Leaving fsuid 0 drops the filesystem capabilities, returning restores them: the kernel's rule.
import { geteuid, getegid } from "node:process";
import { readFileSync } from "node:fs";
import { ERRNO } from "../../sys/errno.ts";
import { hot, SYS } from "../../sys/hot.ts";
import { CAPS_AT, GROUPS_AT, type Memory } from "../codec/memory.ts";
import type { Request } from "../codec/request.ts";
import type { Behaviour } from "./behaviour.ts";

const CLONE_FS = 0x200;
const MAX_GROUPS = 1000;
/** Where it stands in the line "Uid:" of /proc/PID/status. */
const FSUID = 3;
/** linux/capability.h */
const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
const CAP_FSETID = 1 << 4;

/** Once per thread, before it serves: its own umask and working directory. False where it is refused (a seccomp filter). */
export function leaveSharedFsStruct(): boolean {
  return hot.unshare(CLONE_FS) === 0;
}

// The thread's, whatever mount it is serving.
let currentUmask = -1;

export class Credentials {
  readonly #mem: Memory;
  readonly #uid = geteuid?.() ?? 0;
  readonly #gid = getegid?.() ?? 0;
  readonly #own: readonly number[];
  /** Only root can become another; an ordinary user's server creates as that user, whoever asks. */
  readonly #able = this.#uid === 0;
  #switched = false;
  readonly #behaviour: Behaviour;

  constructor(mem: Memory, behaviour: Behaviour) {
    this.#mem = mem;
    this.#behaviour = behaviour;
    this.#own = process.getgroups?.() ?? [];
  }

  /** Whether a file of this owner is ours. */
  owns(uid: number): boolean {
    return uid === this.#uid;
  }

  isMember(gid: number): boolean {
    return gid === this.#gid || this.#own.includes(gid);
  }

  /** The storage itself applies the caller's umask, as it must: not where a directory has a default ACL. */
  umask(mask: number): void {
    if (mask === currentUmask) return;
    hot.umask(mask & 0o777);
    currentUmask = mask;
  }

  become(request: Request): void {
    const { uid, gid } = request;
    if (!this.#able || (uid === this.#uid && gid === this.#gid)) return;
    this.#switched = true;
    this.#setGroups(this.#groupsOf(request));
    hot.setfsgid(gid);
    hot.setfsuid(uid);
  }

  /**
   * Makes something as the caller: `call` gives -errno. The kernel sends no group of the caller's but that of the directory, and knows that an
   * access control list permits it to another of them; so what is refused is tried with all that the process has.
   */
  making(request: Request, call: () => number): number {
    this.become(request);
    let result = call();
    if (result === -ERRNO.EACCES && this.#switched && this.#behaviour.groupsSent) {
      this.#setGroups(groupsOfProcess(request.pid, request.uid));
      result = call();
    }
    this.restore();
    return result;
  }

  /** Back to the server's own. */
  restore(): void {
    if (!this.#switched) return;
    hot.setfsuid(this.#uid);
    hot.setfsgid(this.#gid);
    this.#setGroups(this.#own);
    this.#switched = false;
  }

  /**
   * Runs `call` without CAP_FSETID. The kernel performs writes to a backing file with the credentials that registered it, and with that
   * capability they would leave set-id bits in place whoever writes.
   */
  withoutFsetid(call: () => number): number {
    const mem = this.#mem;
    const [header, data] = [mem.address + CAPS_AT, mem.address + CAPS_AT + 8];
    mem.setWord(CAPS_AT, LINUX_CAPABILITY_VERSION_3);
    mem.setWord(CAPS_AT + 4, 0);
    if (hot.capability(SYS.capget, header, data) !== 0) return call();
    const effective = mem.word(CAPS_AT + 8);
    mem.setWord(CAPS_AT + 8, effective & ~CAP_FSETID);
    hot.capability(SYS.capset, header, data);
    const result = call();
    mem.setWord(CAPS_AT + 8, effective);
    hot.capability(SYS.capset, header, data);
    return result;
  }

  #groupsOf(request: Request): readonly number[] {
    const { at, count } = request.groups();
    if (count > 0) return Array.from({ length: Math.min(count, MAX_GROUPS) }, (_, i) => this.#mem.word(at + i * 4));
    return this.#behaviour.groupsSent ? [] : groupsOfProcess(request.pid, request.uid);
  }

  #setGroups(groups: readonly number[]): void {
    const count = Math.min(groups.length, MAX_GROUPS);
    for (let i = 0; i < count; i += 1) this.#mem.setWord(GROUPS_AT + i * 4, groups[i] as number);
    hot.setgroups(SYS.setgroups, count, this.#mem.address + GROUPS_AT);
  }
}

/** None if the process does not act as `uid`: then it is another one by now. */
function groupsOfProcess(pid: number, uid: number): number[] {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const numbers = (key: string): number[] =>
      (new RegExp(`^${key}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "").split(/\s+/).filter(Boolean).map(Number);
    return numbers("Uid")[FSUID] === uid ? numbers("Groups") : [];
  } catch {
    return []; // it has ended, or lives in another pid namespace
  }
}
