// What is known not to work where: a case, the target, the reason. Such a case must still fail there; one that passes is reported, so
// that this table never says less than the truth.
export type Target =
  | "plain"
  | "plain-user"
  | "bindfs"
  | "fuse-native"
  | "kernel-shared"
  | "kernel-exclusive"
  | "kernel-root-shared"
  | "kernel-root-exclusive"
  | "kernel-root-writeback";

export interface KnownFailure {
  readonly target: Target;
  readonly title: string;
  readonly reason: string;
  /** A race decides: passing is no news. */
  readonly sometimes?: true;
}

export const knownFailures: readonly KnownFailure[] = [
  {
    target: "fuse-native",
    title: "a name that is not UTF-8 is made, listed, opened, renamed and removed byte for byte",
    reason: "it decodes names as UTF-8",
  },
  { target: "fuse-native", title: "every byte but NUL and slash serves as a name", reason: "it decodes names as UTF-8" },
  {
    target: "fuse-native",
    title: "a symlink holds 4095 bytes of any kind",
    reason: "it decodes link texts as UTF-8 and has room for 4,095 of them in UTF-8",
  },
  { target: "fuse-native", title: "a path beyond PATH_MAX is walked step by step", reason: "it prepends the source to every path" },
  { target: "fuse-native", title: "a path of PATH_MAX - 1 bytes is reached in one call", reason: "it prepends the source to every path" },
  {
    target: "fuse-native",
    title: "an entry's d_type and d_ino are those of lstat, '.' and '..' included",
    reason: "its listings carry no inode numbers",
  },
  {
    target: "fuse-native",
    title: "a removed directory that is open lists nothing and takes no new entry",
    reason: "it addresses directories by path",
  },
  { target: "fuse-native", title: "times keep every nanosecond", reason: "it rounds times to milliseconds" },
  {
    target: "fuse-native",
    title: "times before 1970 and after 2038 are kept, on files, directories and symlinks",
    reason: "it rounds times to milliseconds and knows none before 1970",
  },
  {
    target: "fuse-native",
    title: "UTIME_OMIT leaves a time alone and UTIME_NOW takes the clock",
    reason: "it sets both times, atime twice",
  },
  { target: "fuse-native", title: "the times of a symlink are its own", reason: "it rounds times to milliseconds" },
  {
    target: "fuse-native",
    title: "a set mtime is not moved by reading, by another open or by fsync",
    reason: "it rounds times to milliseconds",
  },
  { target: "fuse-native", title: "btime is the time of creation and never moves", reason: "libfuse 2 knows no STATX" },
  { target: "fuse-native", title: "SEEK_DATA and SEEK_HOLE find the data of a sparse file", reason: "libfuse 2 knows no LSEEK" },
  { target: "fuse-native", title: "fallocate extends the file, or keeps its size", reason: "fuse-native offers no FALLOCATE" },
  {
    target: "fuse-native",
    title: "a punched hole reads as zeroes, keeps the size and frees the blocks",
    reason: "fuse-native offers no FALLOCATE",
  },
  {
    target: "fuse-native",
    title: "an unlinked open file is still read, written, truncated, chmodded and dated",
    reason: "it rounds times to milliseconds; libfuse 2 renames the file to .fuse_hidden instead of unlinking it",
  },
  {
    target: "fuse-native",
    title: "a reader never sees a half-written file that is replaced by rename",
    reason: "it opens by path, which a rename may have taken meanwhile",
    sometimes: true,
  },
  {
    target: "fuse-native",
    title: "an unlinked file is linked back by another name only if it was never at zero links",
    reason: "it addresses files by path",
  },
  {
    target: "fuse-native",
    title: "a symlink that a rename replaces keeps its text for whoever is about to follow it",
    reason: "it addresses files by path",
  },
  {
    target: "fuse-native",
    title: "RENAME_NOREPLACE moves to a free name and is EEXIST on a taken one",
    reason: "libfuse 2 knows no rename flags",
  },
  {
    target: "fuse-native",
    title: "RENAME_EXCHANGE swaps two files, and a file with a directory",
    reason: "libfuse 2 knows no rename flags",
  },
  {
    target: "fuse-native",
    title: "hard links share inode number, mode, size, times and link count",
    reason: "libfuse 2 keys nodes by path: hard links are cached apart",
  },
  {
    target: "fuse-native",
    title: "what is written through one hard link is read at once through the other, mapped or not",
    reason: "libfuse 2 keys nodes by path: hard links have a page cache each",
  },
  {
    target: "fuse-native",
    title: "1,000 hard links to one file count as 1,000",
    reason: "libfuse 2 keys nodes by path: hard links are cached apart",
  },
  { target: "fuse-native", title: "an O_TMPFILE file has no name until linkat gives it one", reason: "libfuse 2 knows no TMPFILE" },
  {
    target: "fuse-native",
    title: "5,000 files are open at once, each readable and writable",
    reason: "libfuse 2 renames unlinked open files to .fuse_hidden, and they are listed",
  },
  {
    target: "fuse-native",
    title: "the umask takes bits from files, directories, fifos and O_TMPFILE files",
    reason: "libfuse 2 knows no TMPFILE",
  },
  {
    target: "fuse-native",
    title: "set-ID bits are set by chmod and taken by a write of someone else",
    reason: "run by root, it acts as root, who may keep set-ID bits",
  },
  {
    target: "fuse-native",
    title: "what another user creates is that user's, in the group the user acts with",
    reason: "run by root, it acts as root and not as the caller",
  },
  {
    target: "fuse-native",
    title: "a sticky directory lets only the owner remove and rename",
    reason: "run by root, it acts as root and not as the caller",
  },
  {
    target: "fuse-native",
    title: "owner, group, supplementary groups and others are told apart",
    reason: "run by root, it acts as root and not as the caller",
  },
  {
    target: "fuse-native",
    title: "trusted attributes are listed to root alone",
    reason: "it is mounted for root alone here, and serves as root",
  },
  {
    target: "fuse-native",
    title: "an ACL decides who may read",
    reason: "default_permissions without POSIX ACL support in libfuse 2 checks the mode bits alone",
  },
  {
    target: "fuse-native",
    title: "rename over an open file keeps the old data readable and shows the new by name",
    reason: "libfuse 2 renames a replaced open file to .fuse_hidden and removes it later",
    sometimes: true,
  },
  ...(["kernel-shared", "kernel-exclusive", "kernel-root-writeback"] as const).map((target) => ({
    target,
    title: "SEEK_DATA and SEEK_HOLE find the data of a sparse file",
    reason: "only the kernel knows the newest data of a file that it has pages of, and it answers that all is data; POSIX allows it",
  })),
  {
    target: "fuse-native",
    title: "a file stays open for all it was opened for when its mode becomes 0",
    reason: "it rounds times to milliseconds, and sets both to atime",
  },
  {
    target: "fuse-native",
    title: "what is stored in a mapping stays at its place while the file is open for appending",
    reason: "pages are written through a descriptor with O_APPEND, and it is not told which writes are pages",
  },
  ...(["kernel-root-shared", "kernel-root-exclusive"] as const).map((target) => ({
    target,
    title: "a descriptor loses O_APPEND and gets it back while it is open",
    reason: "with FUSE_PASSTHROUGH the kernel writes with the flags of the open, whatever fcntl(F_SETFL) says later",
    sometimes: true as const,
  })),
  {
    target: "kernel-shared",
    title: "a program that may be executed and not read runs",
    reason: "an ordinary user's server must read what it hands out; reading it after a chmod would show others a mode nobody gave it",
  },
  ...(["kernel-exclusive", "kernel-root-writeback"] as const).map((target) => ({
    target,
    title: "reading with O_NOATIME moves no atime",
    reason: "without OPEN (FUSE_NO_OPEN_SUPPORT) nobody tells how a file was opened",
  })),
  ...(["kernel-shared", "kernel-exclusive"] as const).map((target) => ({
    target,
    title: "an overlay is made of directories here: lower, upper and work",
    reason: "the kernel refuses it in a user namespace where the directories lie on FUSE; root's works",
  })),
  {
    target: "fuse-native",
    title: "an overlay is made of directories here: lower, upper and work",
    reason: "libfuse 2 knows no rename flags and no whiteouts",
  },
  {
    target: "fuse-native",
    title: "name_to_handle_at gives two names of one file one handle, and two files two",
    reason: "libfuse 2 keys nodes by path",
  },
  { target: "fuse-native", title: "reading with O_NOATIME moves no atime", reason: "fuse-native's opens do not pass it on" },
  { target: "fuse-native", title: "file flags are read and set, of files and directories", reason: "libfuse 2 answers no FS_IOC_GETFLAGS" },
];
