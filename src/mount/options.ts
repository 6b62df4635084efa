// What a FUSE mount is asked for, and its spelling as an option string for fusermount3 and mount(2). Exactly these and no more:
// AppArmor profiles and old fusermount3 versions refuse what they do not know.

/** One mount as the kernel's mount table will show it. */
export interface MountRequest {
  /** The home; no link below it is followed on the way to the mountpoint. */
  readonly root: string;
  /** Absolute path of the directory to mount on. */
  readonly mountpoint: string;
  /** Shown as the mount's source; tools recognise our mounts by it together with `subtype`. */
  readonly fsname: string;
  readonly allowOther: boolean;
  /** Hints for file managers (x-gvfs-hide, x-gvfs-trash), dropped where fusermount3 is too old to know them. */
  readonly hints: readonly string[];
}

export const SUBTYPE = "hmpersist";
/** The filesystem type in mountinfo. */
export const FSTYPE = `fuse.${SUBTYPE}`;

/** fusermount3 splits at commas and reads a backslash as an escape. */
const escapeOption = (value: string): string => value.replace(/[\\,]/g, (char) => `\\${char}`);

/** The value of fusermount3's `-o`. */
export function fusermountOptions(request: MountRequest, withHints: boolean): string {
  const options = ["rw", "nosuid", "nodev", "default_permissions", `fsname=${escapeOption(request.fsname)}`, `subtype=${SUBTYPE}`];
  if (request.allowOther) options.push("allow_other");
  if (withHints) options.push(...request.hints);
  return options.join(",");
}

/** The data argument of mount(2) for an open device; the source is an argument of its own there and needs no escape. */
export function directOptions(request: MountRequest, device: number, uid: number, gid: number): string {
  const options = [`fd=${device}`, "rootmode=40000", `user_id=${uid}`, `group_id=${gid}`, "default_permissions"];
  if (request.allowOther) options.push("allow_other");
  return options.join(",");
}
