// /proc/self/mountinfo (proc_pid_mountinfo(5)): the kernel's own account of what is mounted where. Reading it touches no mount, so
// it never blocks on a dead or stuck one.
import { readFileSync } from "node:fs";

/** One line of mountinfo. Space, tab, newline and backslash in names arrive as octal escapes and are decoded here. */
export interface MountInfo {
  readonly id: number;
  readonly parent: number;
  /** "major:minor"; the minor of a FUSE mount names its directory in /sys/fs/fuse/connections. */
  readonly device: string;
  /** The mounted directory within the filesystem; "/" but for bind mounts. */
  readonly root: string;
  readonly mountpoint: string;
  readonly options: readonly string[];
  /** Filesystem type; "fuse.hmpersist" for ours. */
  readonly type: string;
  /** What the mount names as its source; `fsname` for FUSE. */
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** Mounts in the order the kernel lists them: of two on one mountpoint the later one is on top. */
export function parseMountinfo(text: string): MountInfo[] {
  const mounts: MountInfo[] = [];
  for (const line of text.split("\n")) {
    const mount = parseLine(line);
    if (mount !== undefined) mounts.push(mount);
  }
  return mounts;
}

/** The mounts of this process's namespace. */
export const readMountinfo = (path = "/proc/self/mountinfo"): MountInfo[] => parseMountinfo(readFileSync(path, "latin1"));

function parseLine(line: string): MountInfo | undefined {
  const fields = line.split(" ");
  // Optional fields (propagation) end at a lone "-", which cannot occur before the seventh field.
  const dash = fields.indexOf("-", 6);
  const [id, parent, device, root, mountpoint, options] = fields;
  const [type, source, superOptions] = dash < 0 ? [] : fields.slice(dash + 1);
  if (id === undefined || parent === undefined || device === undefined || root === undefined || mountpoint === undefined) return undefined;
  if (options === undefined || type === undefined || source === undefined || superOptions === undefined) return undefined;
  return {
    id: Number(id),
    parent: Number(parent),
    device,
    root: decodeOctal(root),
    mountpoint: decodeOctal(mountpoint),
    options: options.split(","),
    type,
    source: decodeOctal(source),
    superOptions: superOptions.split(","),
  };
}

/** Undoes the escapes of a field. Its text is read as latin1, so that each byte is one character; names become UTF-8 only after them. */
export function decodeOctal(field: string): string {
  // Nearly all are plain, and the table is read at each mount.
  if (!/[\\\u0080-\u00ff]/.test(field)) return field;
  const bytes = field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8) & 0xff));
  return Buffer.from(bytes, "latin1").toString("utf8");
}
