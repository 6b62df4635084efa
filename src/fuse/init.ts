// Negotiation. What we ask for, per cache mode, and what we refuse, each with its reason; the kernel offers, the reply is the
// intersection. A successor of a crashed server gets no INIT and takes the outcome from the shared tables.
import { ERRNO } from "../sys/errno.ts";
import * as abi from "./abi/constants.ts";
import { INIT_FLAGS as F, INIT_FLAGS2 as F2 } from "./abi/constants.ts";
import { fuse_init_in, fuse_init_out } from "./abi/structs.ts";
import { IN, MAX_IO, OUT, type Memory } from "./codec/memory.ts";
import type { Request } from "./codec/request.ts";
import type { Behaviour } from "./passthrough/behaviour.ts";
import type { SharedTables } from "./passthrough/shared-tables.ts";

const PAGE_SIZE = 4096;

/** Asked for in every mode. */
const WANTED =
  F.FUSE_ASYNC_READ |
  F.FUSE_BIG_WRITES |
  F.FUSE_DONT_MASK | // the storage applies the umask, or a default ACL instead of it
  F.FUSE_DO_READDIRPLUS |
  F.FUSE_ASYNC_DIO |
  F.FUSE_PARALLEL_DIROPS |
  F.FUSE_POSIX_ACL |
  F.FUSE_MAX_PAGES |
  F.FUSE_CACHE_SYMLINKS |
  F.FUSE_HANDLE_KILLPRIV_V2 | // no getxattr of security.capability before each write
  F.FUSE_SETXATTR_EXT |
  F.FUSE_INIT_EXT;

/** Offered by kernels and not taken. Documentation and trace print these. */
export const NOT_TAKEN = {
  FUSE_POSIX_LOCKS: "the kernel's own fcntl locks work between all processes of a mount and can be interrupted",
  FUSE_FLOCK_LOCKS: "likewise for flock",
  FUSE_EXPORT_SUPPORT: "a node that is forgotten cannot be found by its number alone",
  FUSE_READDIRPLUS_AUTO:
    "find, git and rm read 32 KiB of names before they look at any file; the kernel then guesses wrong: 41,000 requests instead of 470 for 50,000 files",
  FUSE_NO_OPENDIR_SUPPORT: "a directory stream's position belongs to a handle",
  FUSE_SUBMOUNTS: "file systems mounted inside the storage stay ordinary directories",
  FUSE_SECURITY_CTX: "labels are the storage's own",
  FUSE_ALLOW_IDMAP: "no id mapping between mount and storage",
  FUSE_OVER_IO_URING: "its queues need a ring per CPU mapped and driven from C",
  FUSE_REQUEST_TIMEOUT: "a slow storage is waited for",
} as const;

/** Descriptors that are a node's own know no O_APPEND: only with the writeback cache does the kernel send every write with its place. */
const NO_OPEN = F.FUSE_NO_OPEN_SUPPORT | F.FUSE_WRITEBACK_CACHE;

function wanted(behaviour: Behaviour, mayPassthrough: boolean, offered: number, offered2: number): [number, number] {
  const passthrough = mayPassthrough && (offered2 & F2.FUSE_PASSTHROUGH) !== 0;
  const mode = behaviour.exclusive ? (passthrough ? 0 : F.FUSE_WRITEBACK_CACHE) : F.FUSE_AUTO_INVAL_DATA;
  // FUSE_PASSTHROUGH is said in the answer to OPEN. Without OPEN, truncation comes as SETATTR.
  const noOpen = behaviour.exclusive && behaviour.reopens && !passthrough && (offered & NO_OPEN) === NO_OPEN;
  const open = noOpen ? F.FUSE_NO_OPEN_SUPPORT : F.FUSE_ATOMIC_O_TRUNC;
  const common = F2.FUSE_DIRECT_IO_ALLOW_MMAP | F2.FUSE_HAS_RESEND | F2.FUSE_CREATE_SUPP_GROUP;
  return [WANTED | mode | open, common | (passthrough ? F2.FUSE_PASSTHROUGH : 0)];
}

/** What the outcome means for the handlers; also how a successor restores it. */
export function adoptFlags(behaviour: Behaviour, flags: number, flags2: number): void {
  behaviour.writeback = (flags & F.FUSE_WRITEBACK_CACHE) !== 0;
  behaviour.noOpen = (flags & F.FUSE_NO_OPEN_SUPPORT) !== 0;
  behaviour.setxattrExt = (flags & F.FUSE_SETXATTR_EXT) !== 0;
  behaviour.passthrough = (flags2 & F2.FUSE_PASSTHROUGH) !== 0;
  behaviour.groupsSent = (flags2 & F2.FUSE_CREATE_SUPP_GROUP) !== 0;
}

/** Names of what is worth telling. */
export function featuresOf(behaviour: Behaviour): string[] {
  const features: string[] = [];
  if (behaviour.passthrough) features.push("passthrough");
  if (behaviour.writeback) features.push("writeback");
  if (behaviour.noOpen) features.push("no-open");
  return features;
}

/** A successor that cannot know what was negotiated, its tables being lost, goes on as if all that is wanted had been offered. */
export function assume(behaviour: Behaviour, tables: SharedTables, mayPassthrough: boolean): void {
  const [flags, flags2] = wanted(behaviour, mayPassthrough, 0xffffffff, 0xffffffff);
  tables.settle(abi.FUSE_KERNEL_MINOR_VERSION, flags, flags2);
}

/** Answers INIT. A kernel with a newer major version is told ours and asks again; one that is too old is refused. */
export function init(mem: Memory, req: Request, behaviour: Behaviour, tables: SharedTables, mayPassthrough: boolean): number {
  const major = mem.word(IN + fuse_init_in.major);
  const minor = mem.word(IN + fuse_init_in.minor);
  const readahead = mem.word(IN + fuse_init_in.max_readahead);
  if (major < abi.FUSE_KERNEL_VERSION || (major === abi.FUSE_KERNEL_VERSION && minor < abi.OLDEST_MINOR_VERSION)) return -ERRNO.EPROTO;
  const offered = mem.word(IN + fuse_init_in.flags);
  const extended = (offered & F.FUSE_INIT_EXT) !== 0 && req.end >= IN + fuse_init_in.SIZE;
  const offered2 = extended ? mem.word(IN + fuse_init_in.flags2) : 0;
  mem.clear(OUT, fuse_init_out.SIZE);
  mem.setWord(OUT + fuse_init_out.major, abi.FUSE_KERNEL_VERSION);
  mem.setWord(OUT + fuse_init_out.minor, abi.FUSE_KERNEL_MINOR_VERSION);
  if (major > abi.FUSE_KERNEL_VERSION) return fuse_init_out.SIZE;
  const [want, want2] = wanted(behaviour, mayPassthrough, offered, offered2);
  const flags = offered & want;
  const flags2 = offered2 & want2;
  const agreed = Math.min(minor, abi.FUSE_KERNEL_MINOR_VERSION);
  mem.setWord(OUT + fuse_init_out.minor, agreed);
  mem.setWord(OUT + fuse_init_out.max_readahead, Math.max(readahead, MAX_IO));
  mem.setWord(OUT + fuse_init_out.flags, flags);
  mem.setWord(OUT + fuse_init_out.max_background, (48 << 16) | 64); // congestion_threshold above max_background
  mem.setWord(OUT + fuse_init_out.max_write, MAX_IO);
  mem.setWord(OUT + fuse_init_out.time_gran, 1);
  mem.setWord(OUT + fuse_init_out.max_pages, MAX_IO / PAGE_SIZE);
  mem.setWord(OUT + fuse_init_out.flags2, flags2);
  mem.setWord(OUT + fuse_init_out.max_stack_depth, (flags2 & F2.FUSE_PASSTHROUGH) === 0 ? 0 : 1);
  adoptFlags(behaviour, flags, flags2);
  tables.settle(agreed, flags, flags2);
  return fuse_init_out.SIZE;
}
