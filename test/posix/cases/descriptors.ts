// What else a kernel answers about an open file or its place: leases, locks of open file descriptions, handles, mount ids, access times,
// flags of single reads and writes, fanotify, and mounts made of this directory.
import { ERRNO } from "../../../src/sys/errno.ts";
import { NotHere, python, type Cases } from "../calls.ts";

/** A Python prelude: `check(result)` raises the errno of a libc call. */
const LIBC = `import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
`;

/** Runs the script in a mount namespace of its own; an ordinary user's is in a user namespace, too. */
async function inNamespace(directory: string, script: string): Promise<void> {
  const said = await python(
    directory,
    `import os, subprocess
way = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-Urm"]
if subprocess.run([*way, "true"], capture_output=True).returncode != 0: print("no namespaces"); raise SystemExit(0)
done = subprocess.run([*way, "sh", "-euc", ${JSON.stringify(script)}], capture_output=True, text=True)
print(done.stdout, done.stderr, "exit", done.returncode)
`,
  );
  if (said === "no namespaces") throw new NotHere("this user may make no mount namespace");
  if (!said.endsWith("exit 0")) throw new Error(said);
}

/** Whether a read through a descriptor opened with these flags moved an atime that is older than mtime. */
async function atime(directory: string, flags: string, right: (moved: boolean) => boolean): Promise<void> {
  const said = await python(
    directory,
    `import os, time
def moved(flags):
    with open("file", "w") as f: f.write("x" * 5000); f.flush(); os.fsync(f.fileno())
    os.utime("file", ns=(10**9, 2 * 10**9))
    fd = os.open("file", os.O_RDONLY | flags)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # what is answered from a cache above the storage moves nothing there
    assert len(os.read(fd, 5000)) == 5000
    os.close(fd)
    time.sleep(1.1)
    return os.stat("file").st_atime_ns != 10**9
print(moved(${flags}))
`,
  );
  if (!right(said === "True")) throw new Error(`atime moved: ${said}`);
}

export const descriptors: Cases = {
  "pwritev2 appends with RWF_APPEND, syncs with RWF_DSYNC and RWF_SYNC, and refuses flags nobody knows": async (directory) => {
    await python(
      directory,
      `import errno, os
fd = os.open("file", os.O_RDWR | os.O_CREAT)
os.write(fd, b"0123456789")
assert os.pwritev(fd, [b"A", b"B"], 0, 16) == 2
assert os.pwritev(fd, [b"C"], 1, os.RWF_DSYNC) == 1 and os.pwritev(fd, [b"D"], 2, os.RWF_SYNC) == 1
assert os.lseek(fd, 0, os.SEEK_CUR) == 10
got = bytearray(20)
assert os.preadv(fd, [got], 0, os.RWF_HIPRI) == 12 and bytes(got[:12]) == b"0CD3456789AB", got
for call in (lambda: os.preadv(fd, [got], 0, 0x4000_0000), lambda: os.pwritev(fd, [b"x"], 0, 0x4000_0000)):
    try: call(); raise SystemExit("unknown flag taken")
    except OSError as e: assert e.errno == errno.EOPNOTSUPP, e
`,
    );
  },
  "locks of open file descriptions exclude each other, a waiter is interrupted, and a close of another descriptor keeps them": async (
    directory,
  ) => {
    await python(
      directory,
      `import errno, fcntl, os, signal, struct
SETLK, SETLKW = 37, 38
def lock(kind, start, length): return struct.pack("hhqqi4x", kind, 0, start, length, 0)
a, b = os.open("file", os.O_RDWR | os.O_CREAT), os.open("file", os.O_RDWR)
fcntl.fcntl(a, SETLK, lock(fcntl.F_WRLCK, 0, 10))
fcntl.fcntl(b, SETLK, lock(fcntl.F_WRLCK, 10, 10))
def refused(fd, start):
    try: fcntl.fcntl(fd, SETLK, lock(fcntl.F_RDLCK, start, 1)); return False
    except OSError as e: return e.errno in (errno.EAGAIN, errno.EACCES)
assert refused(b, 5) and refused(a, 15)
os.close(os.open("file", os.O_RDWR))
assert refused(b, 5)
def interrupt(*_): raise InterruptedError
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try: fcntl.fcntl(b, SETLKW, lock(fcntl.F_WRLCK, 0, 1)); raise SystemExit("locked twice")
except InterruptedError: pass
copy = os.dup(a)
os.close(a)
assert refused(b, 5)
os.close(copy)
assert not refused(b, 5)
`,
    );
  },
  "a lease is granted to who is alone with a file, and an opener breaks it": async (directory) => {
    await python(
      directory,
      `import fcntl, errno, os, signal
SETLEASE, GETLEASE = 1024, 1025
broken = []
signal.signal(signal.SIGIO, lambda *_: broken.append(1))
open("file", "w").close()
reader = os.open("file", os.O_RDONLY)
fcntl.fcntl(reader, SETLEASE, fcntl.F_RDLCK)
assert fcntl.fcntl(reader, GETLEASE) == fcntl.F_RDLCK
os.close(os.open("file", os.O_RDONLY))
try: os.open("file", os.O_WRONLY | os.O_NONBLOCK); raise SystemExit("opened in spite of the lease")
except OSError as e: assert e.errno == errno.EAGAIN, e
assert any(broken for _ in range(2))
fcntl.fcntl(reader, SETLEASE, fcntl.F_UNLCK)
writer = os.open("file", os.O_WRONLY | os.O_NONBLOCK)
try: fcntl.fcntl(reader, SETLEASE, fcntl.F_RDLCK); raise SystemExit("leased while somebody writes")
except OSError as e: assert e.errno == errno.EAGAIN, e
`,
    );
  },
  "name_to_handle_at gives two names of one file one handle, and two files two": async (directory) => {
    await python(
      directory,
      `${LIBC}import struct
open("a", "w").close(); open("c", "w").close(); os.link("a", "b")
held = [os.open(name, os.O_RDONLY) for name in "ac"]
def handle(name):
    room = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136)
    check(libc.name_to_handle_at(-100, name, room, ctypes.byref(ctypes.c_int()), 0x200))  # AT_HANDLE_FID
    length, kind = struct.unpack_from("Ii", room)
    return kind, room.raw[8:8 + length]
assert handle(b"a") == handle(b"b") != handle(b"c")
`,
    );
  },
  "statx gives every file here one mount id, which is that of the mount table, and btime, size and blocks in one answer": async (
    directory,
  ) => {
    await python(
      directory,
      `${LIBC}import struct
open("file", "w").write("x" * 5000)
os.mkdir("dir"); open("dir/file", "w").close()
def statx(name):
    room = ctypes.create_string_buffer(256)
    check(libc.statx(-100, name, 0x100, 0x1fff, room))
    mask, = struct.unpack_from("I", room, 0)
    return mask, struct.unpack_from("Q", room, 40)[0], struct.unpack_from("Q", room, 144)[0]
ids = {statx(name)[2] for name in (b".", b"file", b"dir", b"dir/file")}
assert len(ids) == 1, ids
mounts = [line.split() for line in open("/proc/self/mountinfo")]
points = [m[4] for m in mounts if int(m[0]) in ids]
assert points and os.getcwd().startswith(points[0]), (points, os.getcwd())
mask, size, _ = statx(b"file")
assert mask & 0x7ff == 0x7ff and mask & 0x1000 and size == 5000, hex(mask)
`,
    );
  },
  "reading moves atime as relatime has it": (directory) => atime(directory, "0", (moved) => moved),
  "reading with O_NOATIME moves no atime": (directory) => atime(directory, "os.O_NOATIME", (moved) => !moved),
  "file flags are read and set, of files and directories": async (directory) => {
    const said = await python(
      directory,
      `import fcntl, os, struct
GET, SET, NODUMP = 0x80086601, 0x40086602, 0x40
os.mkdir("dir"); open("file", "w").close()
for name in ("file", "dir"):
    fd = os.open(name, os.O_RDONLY)
    def flags(): return struct.unpack("i4x", fcntl.ioctl(fd, GET, bytes(8)))[0]
    try: before = flags()
    except OSError as e: print(e.errno); raise SystemExit(0)
    fcntl.ioctl(fd, SET, struct.pack("i4x", before | NODUMP))
    assert flags() == before | NODUMP
    fcntl.ioctl(fd, SET, struct.pack("i4x", before))
    assert flags() == before
    try: fcntl.ioctl(fd, 0x5401, bytes(60)); raise SystemExit("a terminal")
    except OSError as e: assert e.errno == 25, e
print("read")
`,
    );
    if (said === String(ERRNO.EOPNOTSUPP) || said === String(ERRNO.ENOTTY)) throw new NotHere("the storage has no file flags");
    if (said !== "read") throw new Error(`errno ${said}`);
  },
  "fanotify tells root what happens through this directory": async (directory) => {
    const said = await python(
      directory,
      `${LIBC}import struct
if os.getuid() != 0: print("not root"); raise SystemExit(0)
OPEN, MODIFY, CLOSE_WRITE, ON_CHILD = 0x20, 0x2, 0x8, 0x0800_0000
fd = check(libc.fanotify_init(0x2, os.O_RDONLY))  # FAN_CLASS_NOTIF | FAN_NONBLOCK
check(libc.fanotify_mark(fd, 1, ctypes.c_uint64(OPEN | MODIFY | CLOSE_WRITE | ON_CHILD), -100, b"."))
with open("file", "w") as f: f.write("x")
data, seen = os.read(fd, 4096), 0
while data:
    length, _, _, _, mask, event, _ = struct.unpack_from("IBBHQii", data)
    assert os.readlink("/proc/self/fd/%d" % event) == os.path.join(os.getcwd(), "file")
    seen |= mask
    os.close(event)
    data = data[length:]
assert seen == OPEN | MODIFY | CLOSE_WRITE, hex(seen)
`,
    );
    if (said === "not root") throw new NotHere("fanotify with descriptors is root's");
  },
  "a directory here is bind-mounted over another, which hides it and comes back": async (directory) => {
    await inNamespace(
      directory,
      `mkdir from to to/hidden
echo content > from/file
mount --bind from to
test "$(cat to/file)" = content && test ! -e to/hidden
echo more >> to/file && test "$(wc -l < from/file)" = 2
mv from/file from/renamed && test -e to/renamed
if rmdir to 2>/dev/null; then exit 1; fi
umount to
test -d to/hidden && test ! -e to/renamed`,
    );
  },
  "an overlay is made of directories here: lower, upper and work": async (directory) => {
    await inNamespace(
      directory,
      `mkdir lower upper work merged lower/sub
echo low > lower/file; echo low > lower/sub/file; echo low > lower/gone; ln -s file lower/link
if test "$(id -u)" = 0 && test "$(cut -d' ' -f1-3 /proc/self/uid_map | tr -s ' ')" != " 0 0 4294967295"; then options=userxattr; else options=index=off; fi
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,$options merged
test "$(cat merged/file)" = low
echo high > merged/file; echo more >> merged/sub/file; rm merged/gone; mkdir merged/new; mv merged/link merged/moved
test "$(cat lower/file merged/file)" = "low
high"
test "$(cat merged/sub/file)" = "low
more"
test ! -e merged/gone && test -e lower/gone && test "$(readlink merged/moved)" = file
umount merged
test "$(cat upper/file)" = high && test -c upper/gone && test -d upper/new`,
    );
  },
};
