// How one mount behaves: what its cache mode and the kind of its storage ask for, and what INIT settled.
import type { CacheMode } from "../../config/config.ts";
import type { Timeout } from "../codec/reply.ts";

/** How one mount behaves, decided before INIT (cache) and by it (the rest). */
export interface Behaviour {
  readonly exclusive: boolean;
  readonly timeout: Timeout;
  /** Storage whose fsync, allocation and cold reads may sleep; false on tmpfs. */
  readonly sleeps: boolean;
  /** Storage whose close(2) may report an error (network, FUSE): FLUSH is passed on. */
  readonly closeReports: boolean;
  /** A file's time of birth is its own for ever, and tells it from another that was given its inode number. */
  readonly births: boolean;
  writeback: boolean;
  passthrough: boolean;
  /** Reopening a file by its node is safe here, so that the kernel may be told to send no OPEN. */
  readonly reopens: boolean;
  /** The kernel sends neither OPEN nor RELEASE, and no handle: see node-files.ts. */
  noOpen: boolean;
  setxattrExt: boolean;
  /** The kernel sends the caller's one group that matters (FUSE_CREATE_SUPP_GROUP). */
  groupsSent: boolean;
}

/** f_type of statfs(2), linux/magic.h. */
const MEMORY = new Set([0x01021994, 0x858458f6]); // tmpfs, ramfs
const REMOTE = new Set([0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997, 0x00c36400, 0x5346414f]); // NFS ... FUSE, 9p, ceph, AFS
const OVERLAY = 0x794c7630; // what is changed is copied to another layer, and born there
const STACKED = new Set([0x65735546, OVERLAY, 0xf15f]); // FUSE, overlayfs, ecryptfs: FUSE_PASSTHROUGH answers ELOOP

/** Whose inode numbers last while nothing holds the inode: ext4, btrfs, xfs, f2fs, zfs, bcachefs, tmpfs, ramfs. Not FAT, not overlayfs. */
const LASTING = new Set([0xef53, 0x9123683e, 0x58465342, 0xf2f52010, 0x2fc12fc1, 0xca451a4e, ...MEMORY]);

/** A second for storage that others may change; a day where nobody does. */
const SHARED_TIMEOUT: Timeout = { sec: 1, nsec: 0 };
const EXCLUSIVE_TIMEOUT: Timeout = { sec: 86_400, nsec: 0 };

/** @param reopens nobody but the server's own user can open its files, and no other filesystem lies in it. */
export const behaviourOf = (cache: CacheMode, type: number, reopens: boolean): Behaviour => ({
  exclusive: cache === "exclusive",
  timeout: cache === "exclusive" ? EXCLUSIVE_TIMEOUT : SHARED_TIMEOUT,
  sleeps: !MEMORY.has(type),
  closeReports: REMOTE.has(type),
  reopens: reopens && LASTING.has(type),
  births: type !== OVERLAY,
  writeback: false,
  passthrough: false,
  noOpen: false,
  setxattrExt: false,
  groupsSent: false,
});

export const isStacked = (type: number): boolean => STACKED.has(type);
