# The operations of a client in its own subtrees: each does something to the mount and the same to the model, or compares the two.
import contextlib, mmap, os, sqlite3, stat, time
from model import Directory, File, Root, Symlink
from system import FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, RENAME_EXCHANGE, RENAME_NOREPLACE
from system import Refused, Wrong, fallocate, link_descriptor, renameat2

SHORT = ": a short read"
FILES, BYTES, DIRECTORIES, HELD = 150, 12 << 20, 40, 5
FILE_MODES = [0o600, 0o600, 0o644, 0o640, 0o666, 0o755, 0o400, 0o444]
DIRECTORY_MODES = [0o700, 0o755, 0o750, 0o1777]
STRANGE = [b"a b", b"\xff\xfe", b"new\nline", b"tab\t", b"%s", b"'quote'", b"\xc3\xa9", b"-rf", b"x" * 255, b"\\", b"~", b".hidden"]

class Held:
    """A file held open while everything goes on."""

    def __init__(self, root, file, fd, writes):
        self.root, self.file, self.fd, self.writes, self.since = root, file, fd, writes, time.time()

def make_roots(places):
    os.umask(0)
    roots = []
    for place in places:
        path = os.fsencode(place["path"])
        os.mkdir(path, 0o700)
        root = Root(path, place["disk"], place["writeback"])
        roots.append(root)
        try:
            os.setxattr(path, "user.probe", b"1")
            os.removexattr(path, "user.probe")
        except OSError:
            root.xattrs = False
    return roots

# --- picking -------------------------------------------------------------------------------------------------------------------------

def some_root(client):
    return use(client, client.random.choice(client.roots))

def use(client, root):
    client.refusals = ()
    if root.disk and client.window != "":
        # What the kernel took and cannot write is EIO to close(2), except for want of room.
        client.refusals = (client.window, "EIO") if root.writeback else (client.window,)
    return root

def may_fail_late(client, root):
    """Whether what was written may turn out later to be refused."""
    return root.disk and (client.window == "ENOSPC" or (client.window == "EROFS" and root.writeback))

def some_directory(client, root):
    return client.random.choice(root.directories())

def some_file(client, root, writable=False):
    files = [entry for entry in root.entries("file") if not writable or can_write(entry[2])]
    return client.random.choice(files) if files else (None, None, None)

def can_write(file):
    return os.geteuid() == 0 or file.mode & 0o200

def can_read(file):
    return os.geteuid() == 0 or file.mode & 0o400

def new_name(client, directory):
    while True:
        name = b"%x" % client.random.getrandbits(20)
        if client.random.random() < 0.1:
            name = client.random.choice(STRANGE)
        if name not in directory.children:
            return name

def some_bytes(client):
    size = client.random.choice([0, 1, 100, 4_096, 4_097, 9_000, 60_000])
    if client.random.random() < 0.03:
        size = client.random.randrange(1 << 20, 3 << 20)
    return client.random.randbytes(size)

def path_of(directory, name):
    return directory.path + b"/" + name

# --- calls with their consequence in the model ------------------------------------------------------------------------------------------

@contextlib.contextmanager
def opened(client, path, flags, mode=0o600):
    fd = client.call(f"open {path!r} {flags:#o}", os.open, path, flags, mode)
    try:
        yield fd
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(fd)
        raise
    client.call("close", os.close, fd)

@contextlib.contextmanager
def changing(client, root, file, fd):
    """Around a change of content: if that may fail late, the file is tainted until an fsync says that all is there."""
    late = may_fail_late(client, root)
    before = file.tainted
    file.tainted = before or late
    file.mtime = None
    yield
    if late:
        client.call("fsync", os.fsync, fd)
        file.tainted = before

def store(client, root, file, fd, data, offset):
    with changing(client, root, file, fd):
        done = client.call(f"pwrite {len(data)} at {offset} of {len(file.content)}", os.pwrite, fd, data, offset)
        complete(client, done, data)
        put(file, offset, data)
    client.bytes += len(data)

def complete(client, done, data):
    if done != len(data):
        if "ENOSPC" in client.refusals:
            raise Refused("a short write")
        raise Wrong(f"{done} of {len(data)} bytes written")

def put(file, offset, data):
    if not data:
        return
    if offset > len(file.content):
        file.content.extend(bytes(offset - len(file.content)))
    file.content[offset : offset + len(data)] = data

def compare(client, what, found, wanted):
    client.bytes += len(found)
    if found == bytes(wanted):
        return
    at = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), min(len(found), len(wanted)))
    raise Wrong(f"{what}: {len(found)} bytes, not {len(wanted)}, differing from byte {at}: {found[at:at+16].hex()} not {bytes(wanted[at:at+16]).hex()}")

def look(client, root, what, st, file):
    """Compares attributes; what was not known of them is from here on."""
    client.expect(stat.S_ISREG(st.st_mode), f"{what} is no file")
    found = {"mode": stat.S_IMODE(st.st_mode), "nlink": st.st_nlink, "ino": st.st_ino}
    wanted = {"mode": file.mode, "nlink": file.nlink, "ino": file.ino or st.st_ino}
    if not file.tainted:
        found.update(size=st.st_size, mtime=st.st_mtime_ns)
        wanted.update(size=len(file.content), mtime=st.st_mtime_ns if file.mtime is None else file.mtime)
    client.expect(found == wanted, f"{what}: {found}, not {wanted}")
    file.ino = st.st_ino
    if not file.tainted and root.dates_writes:
        file.mtime = st.st_mtime_ns

def drop_name(directory, name):
    child = directory.children.pop(name)
    if child.kind == "file":
        child.nlink -= 1

# --- files -----------------------------------------------------------------------------------------------------------------------------

def create(client):
    root = some_root(client)
    if len(root.entries("file")) >= FILES or root.bytes() >= BYTES:
        return unlink(client)
    directory = some_directory(client, root)
    name, mode = new_name(client, directory), client.random.choice(FILE_MODES)
    with opened(client, path_of(directory, name), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode) as fd:
        file = File(mode)
        file.nlink = 1
        directory.children[name] = file
        for _ in range(client.random.choice([1, 1, 3])):
            store(client, root, file, fd, some_bytes(client), len(file.content))
        look(client, root, "the created file", client.call("fstat", os.fstat, fd), file)

def overwrite(client):
    root = some_root(client)
    directory, name, file = some_file(client, root, writable=True)
    if file is None:
        return
    with opened(client, path_of(directory, name), os.O_RDWR) as fd:
        for _ in range(client.random.choice([1, 2, 5])):
            store(client, root, file, fd, some_bytes(client), client.random.randrange(len(file.content) + 5_000))

def append(client):
    root = some_root(client)
    directory, name, file = some_file(client, root, writable=True)
    if file is None:
        return
    with opened(client, path_of(directory, name), os.O_WRONLY | os.O_APPEND) as fd:
        for _ in range(client.random.choice([1, 1, 4])):
            data = some_bytes(client)
            with changing(client, root, file, fd):
                complete(client, client.call(f"append {len(data)} to {len(file.content)}", os.write, fd, data), data)
                put(file, len(file.content), data)
            client.bytes += len(data)

def truncate(client):
    root = some_root(client)
    directory, name, file = some_file(client, root, writable=True)
    if file is None:
        return
    size = client.random.choice([0, len(file.content) // 2, len(file.content) + 5_000])
    path = path_of(directory, name)
    if client.random.random() < 0.5:
        with opened(client, path, os.O_WRONLY) as fd, changing(client, root, file, fd):
            client.call(f"ftruncate {size}", os.ftruncate, fd, size)
            resize(file, size)
    else:
        client.call(f"truncate {path!r} {size}", os.truncate, path, size)
        file.mtime = None
        resize(file, size)

def resize(file, size):
    del file.content[size:]
    file.content.extend(bytes(size - len(file.content)))

def rewrite(client):
    root = some_root(client)
    directory, name, file = some_file(client, root, writable=True)
    if file is not None:
        anew(client, root, directory, name, file)

def anew(client, root, directory, name, file):
    with opened(client, path_of(directory, name), os.O_WRONLY | os.O_TRUNC) as fd:
        file.content.clear()
        if not may_fail_late(client, root):
            file.tainted = False
        store(client, root, file, fd, some_bytes(client), 0)

def replace(client):
    """As editors and browsers save: a new file, fsync, renamed over the old one."""
    root = some_root(client)
    directory, name, old = some_file(client, root)
    if old is None:
        return
    temporary = new_name(client, directory)
    mode = client.random.choice([0o600, 0o644])
    with opened(client, path_of(directory, temporary), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode) as fd:
        file = File(mode)
        file.nlink = 1
        directory.children[temporary] = file
        store(client, root, file, fd, some_bytes(client), 0)
        client.call("fsync", os.fsync, fd)
    client.call(f"rename {temporary!r} over {path_of(directory, name)!r}", os.rename, path_of(directory, temporary), path_of(directory, name))
    drop_name(directory, name)
    directory.children[name] = directory.children.pop(temporary)

def read(client):
    directory, name, file = some_file(client, some_root(client))
    if file is None or file.tainted or not can_read(file):
        return
    with opened(client, path_of(directory, name), os.O_RDONLY) as fd:
        parts = []
        while part := client.call("read", os.read, fd, 1 << 17):
            parts.append(part)
    compare(client, repr(path_of(directory, name)), b"".join(parts), file.content)

def read_range(client):
    directory, name, file = some_file(client, some_root(client))
    if file is None or file.tainted or not can_read(file):
        return
    with opened(client, path_of(directory, name), os.O_RDONLY) as fd:
        for _ in range(client.random.choice([1, 5])):
            offset, size = client.random.randrange(len(file.content) + 100), client.random.choice([1, 500, 5_000])
            found = client.call(f"pread {size} at {offset}", os.pread, fd, size, offset)
            compare(client, f"{path_of(directory, name)!r} from {offset}", found, file.content[offset : offset + size])

def look_at(client):
    root = some_root(client)
    directory, name, file = some_file(client, root)
    if file is not None:
        path = path_of(directory, name)
        look(client, root, repr(path), client.call(f"stat {path!r}", os.lstat, path), file)

def chmod(client):
    directory, name, file = some_file(client, some_root(client))
    if file is None:
        return
    mode = client.random.choice(FILE_MODES)
    client.call(f"chmod {path_of(directory, name)!r} {mode:o}", os.chmod, path_of(directory, name), mode)
    file.mode = mode

def utimens(client):
    directory, name, file = some_file(client, some_root(client))
    if file is None:
        return
    when = client.random.randrange(1, 2_000_000_000 * 10**9)
    client.call(f"utimens {path_of(directory, name)!r} {when}", lambda: os.utime(path_of(directory, name), ns=(when, when)))
    file.mtime = None if file.tainted else when

def xattr(client):
    root = some_root(client)
    directory, name, file = some_file(client, root, writable=True)
    if file is None or not root.xattrs:
        return
    path, key = path_of(directory, name), client.random.choice(["user.a", "user.b", "user.long-" + "x" * 100])
    if key in file.xattrs and client.random.random() < 0.4:
        client.call(f"removexattr {path!r} {key}", os.removexattr, path, key)
        del file.xattrs[key]
    elif not (client.window == "ENOSPC" and root.disk):
        value = client.random.randbytes(client.random.choice([0, 1, 50, 1_000]))
        client.call(f"setxattr {path!r} {key} {len(value)}", os.setxattr, path, key, value)
        file.xattrs[key] = value
    found = {name for name in client.call(f"listxattr {path!r}", os.listxattr, path) if name.startswith("user.")}
    client.expect(found == set(file.xattrs), f"{path!r} has the attributes {found}, not {set(file.xattrs)}")
    for key, value in file.xattrs.items():
        client.expect(client.call("getxattr", os.getxattr, path, key) == value, f"{path!r}: {key} has another value")

def map_write(client):
    root = some_root(client)
    directory, name, file = some_file(client, root, writable=True)
    # A page that finds no room is a SIGBUS, on any filesystem.
    if file is None or len(file.content) == 0 or file.tainted or not can_read(file) or (client.window != "" and root.disk):
        return
    with opened(client, path_of(directory, name), os.O_RDWR) as fd:
        client.history.note(f"mmap {len(file.content)}")
        with mmap.mmap(fd, len(file.content)) as mapping:
            compare(client, "the mapping", mapping[:], file.content)
            for _ in range(3):
                data = client.random.randbytes(100)[: len(file.content)]
                offset = client.random.randrange(len(file.content) - len(data) + 1)
                file.mtime = None
                mapping[offset : offset + len(data)] = data
                put(file, offset, data)
            if client.random.random() < 0.5:
                client.call("msync", mapping.flush)
        client.call("fsync", os.fsync, fd)

def allocate(client):
    root = some_root(client)
    directory, name, file = some_file(client, root, writable=True)
    if file is None or (client.window == "ENOSPC" and root.disk):
        return
    with opened(client, path_of(directory, name), os.O_RDWR) as fd, changing(client, root, file, fd):
        if client.random.random() < 0.5 and len(file.content) > 0:
            offset, size = client.random.randrange(len(file.content)), 10_000
            mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
            client.call(f"punch a hole of {size} at {offset}", fallocate, fd, mode, offset, size)
            end = min(len(file.content), offset + size)
            file.content[offset:end] = bytes(end - offset)
        else:
            size = len(file.content) + 3_000
            client.call(f"fallocate to {size}", fallocate, fd, 0, 0, size)
            resize(file, size)

def copy_range(client):
    root = some_root(client)
    source_directory, source_name, source = some_file(client, root)
    directory, name, file = some_file(client, root, writable=True)
    if file is None or source is file or source.tainted or not can_read(source):
        return
    with opened(client, path_of(source_directory, source_name), os.O_RDONLY) as source_fd:
        with opened(client, path_of(directory, name), os.O_WRONLY) as fd, changing(client, root, file, fd):
            to = client.random.randrange(len(file.content) + 100)
            done = 0
            while done < len(source.content):
                part = client.call(f"copy_file_range from {done} to {to + done}", os.copy_file_range, source_fd, fd, len(source.content) - done, done, to + done)
                client.expect(part > 0, "nothing was copied")
                done += part
            put(file, to, source.content)

def unnamed(client):
    """O_TMPFILE, given its name when it is complete."""
    root = some_root(client)
    directory = some_directory(client, root)
    name, began = new_name(client, directory), time.time()
    with opened(client, directory.path, os.O_RDWR | os.O_TMPFILE, 0o600) as fd:
        file = File(0o600)
        try:
            store(client, root, file, fd, some_bytes(client), 0)
            client.call(f"linkat {path_of(directory, name)!r}", link_descriptor, fd, path_of(directory, name))
        except Wrong as wrong:
            # It has no name, so a server that dies takes it along.
            if not str(wrong).endswith((": ESTALE", ": EIO", ": ENOENT")):
                raise
            client.lose(began, str(wrong))
            raise Refused("lost") from wrong
        file.nlink = 1
        directory.children[name] = file

# --- names -----------------------------------------------------------------------------------------------------------------------------

def rename(client):
    root = some_root(client)
    directory, name, file = some_file(client, root)
    if file is None:
        return
    to = some_directory(client, root)
    target = client.random.choice([*to.children, b""]) if client.random.random() < 0.3 else b""
    if target == b"" or to.children[target].kind == "directory":
        target = new_name(client, to)
    client.call(f"rename {path_of(directory, name)!r} {path_of(to, target)!r}", os.rename, path_of(directory, name), path_of(to, target))
    if to.children.get(target) is file:
        return  # two names of one file: nothing happens
    if target in to.children:
        drop_name(to, target)
    to.children[target] = directory.children.pop(name)

def rename_directory(client):
    root = some_root(client)
    movable = root.directories()[1:]
    if not movable:
        return
    directory, to = client.random.choice(movable), some_directory(client, root)
    old, name = directory.path, new_name(client, to)
    if directory.holds(to):
        client.expect(client.call(f"rename {old!r} into itself", os.rename, old, path_of(to, name), allowed=["EINVAL"]) == "EINVAL", "it moved into itself")
        return
    if len(path_of(to, name)) > 2_000:
        return
    client.call(f"rename {old!r} {path_of(to, name)!r}", os.rename, old, path_of(to, name))
    del directory.parent.children[os.path.basename(old)]
    to.children[name] = directory
    directory.moved(path_of(to, name), to)

def exchange(client):
    root = some_root(client)
    directory, name, file = some_file(client, root)
    to, target, other = some_file(client, root)
    if file is None or (directory is to and name == target):
        return
    client.call(f"exchange {path_of(directory, name)!r} {path_of(to, target)!r}", renameat2, path_of(directory, name), path_of(to, target), RENAME_EXCHANGE)
    directory.children[name], to.children[target] = other, file

def no_replace(client):
    root = some_root(client)
    directory, name, file = some_file(client, root)
    to, target, _ = some_file(client, root)
    if file is None:
        return
    result = client.call(f"rename without replacing {path_of(to, target)!r}", renameat2, path_of(directory, name), path_of(to, target), RENAME_NOREPLACE, allowed=["EEXIST"])
    client.expect(result == "EEXIST", f"{path_of(to, target)!r} was replaced")

def link(client):
    root = some_root(client)
    directory, name, file = some_file(client, root)
    if file is None or file.nlink > 10:
        return
    to = some_directory(client, root)
    target = new_name(client, to)
    client.call(f"link {path_of(directory, name)!r} {path_of(to, target)!r}", os.link, path_of(directory, name), path_of(to, target))
    to.children[target] = file
    file.nlink += 1

def symlink(client):
    root = some_root(client)
    directory = some_directory(client, root)
    name, target = new_name(client, directory), client.random.choice([b"nowhere", b"../" * 50, b"/dev/null", b"\xff", b"x" * 4_000])
    client.call(f"symlink {path_of(directory, name)!r}", os.symlink, target, path_of(directory, name))
    directory.children[name] = Symlink(target)

def readlink(client):
    links = some_root(client).entries("symlink")
    if links:
        directory, name, node = client.random.choice(links)
        client.expect(client.call(f"readlink {path_of(directory, name)!r}", os.readlink, path_of(directory, name)) == node.target, "the link leads elsewhere")

def unlink(client):
    root = some_root(client)
    names = root.entries("file") + root.entries("symlink")
    if names:
        directory, name, _ = client.random.choice(names)
        client.call(f"unlink {path_of(directory, name)!r}", os.unlink, path_of(directory, name))
        drop_name(directory, name)

def mkdir(client):
    root = some_root(client)
    parent = some_directory(client, root)
    if len(root.directories()) >= DIRECTORIES or len(parent.path) > 2_000:
        return
    name, mode = new_name(client, parent), client.random.choice(DIRECTORY_MODES)
    client.call(f"mkdir {path_of(parent, name)!r} {mode:o}", os.mkdir, path_of(parent, name), mode)
    parent.children[name] = Directory(path_of(parent, name), parent, mode)

def rmdir(client):
    below = some_root(client).directories()[1:]
    if not below:
        return
    directory = client.random.choice(below)
    if directory.children:
        client.expect(client.call(f"rmdir {directory.path!r}", os.rmdir, directory.path, allowed=["ENOTEMPTY"]) == "ENOTEMPTY", "it was not empty")
    else:
        client.call(f"rmdir {directory.path!r}", os.rmdir, directory.path)
        del directory.parent.children[os.path.basename(directory.path)]

def listing(client):
    directory = some_directory(client, some_root(client))
    found = set(client.call(f"list {directory.path!r}", os.listdir, directory.path))
    client.expect(found == set(directory.children), f"{directory.path!r} lists {found ^ set(directory.children)} wrongly")

def scan(client):
    root = some_root(client)
    directory = some_directory(client, root)
    client.history.note(f"scan {directory.path!r}")
    with os.scandir(directory.path) as entries:
        for entry in entries:
            child = directory.children[entry.name]
            client.expect(entry.is_dir(follow_symlinks=False) == (child.kind == "directory"), f"{entry.path!r} is of another kind")
            if child.kind == "file":
                look(client, root, repr(entry.path), entry.stat(follow_symlinks=False), child)

def missing(client):
    directory = some_directory(client, some_root(client))
    path = path_of(directory, new_name(client, directory))
    client.expect(client.call(f"stat {path!r}", os.lstat, path, allowed=["ENOENT"]) == "ENOENT", f"{path!r} is there")

def across(client):
    """No rename leads from one mount into another."""
    first, second = client.roots[0], client.roots[-1]
    directory, name, file = some_file(client, use(client, first))
    if file is not None and first is not second:
        target = path_of(second.top, new_name(client, second.top))
        client.expect(client.call(f"rename {path_of(directory, name)!r} {target!r}", os.rename, path_of(directory, name), target, allowed=["EXDEV"]) == "EXDEV", "it moved")

# --- files held open ----------------------------------------------------------------------------------------------------------------------

def hold(client):
    root = some_root(client)
    if len(client.held) >= HELD:
        return let_go(client)
    writes = client.random.random() < 0.6
    directory, name, file = some_file(client, root, writable=writes)
    if file is None or file.tainted or not can_read(file):
        return
    flags = (os.O_RDWR if writes else os.O_RDONLY) | client.random.choice([0, 0, os.O_SYNC])
    fd = client.call(f"hold {path_of(directory, name)!r}", os.open, path_of(directory, name), flags)
    client.held.append(Held(root, file, fd, writes))

@contextlib.contextmanager
def perhaps_lost(client, held):
    """A file without a name ends with the server that held it."""
    use(client, held.root)
    try:
        yield
    except Wrong as wrong:
        if held.file.nlink > 0 or not str(wrong).endswith((": ESTALE", ": EIO", SHORT)):
            raise
        client.lose(held.since, str(wrong))
        if held in client.held:
            client.held.remove(held)
            with contextlib.suppress(OSError):
                os.close(held.fd)

def with_held(client):
    if client.held:
        held = client.random.choice(client.held)
        with perhaps_lost(client, held):
            use_held(client, held)

def use_held(client, held):
    file, fd = held.file, held.fd
    what = f"held fd {fd}"
    kind = client.random.choice(["read", "look", "write", "write", "truncate", "fsync", "chmod"])
    if kind == "read" and not file.tainted:
        offset = client.random.randrange(len(file.content) + 1)
        found = client.call(f"{what}: pread at {offset}", os.pread, fd, 5_000, offset)
        # The kernel has some of its pages and could not get the others.
        if file.nlink == 0 and len(found) < len(file.content[offset : offset + 5_000]):
            raise Wrong(what + SHORT)
        compare(client, what, found, file.content[offset : offset + 5_000])
    elif kind == "look":
        look(client, held.root, what, client.call(f"{what}: fstat", os.fstat, fd), file)
    elif kind == "write" and held.writes:
        client.history.note(what)
        store(client, held.root, file, fd, client.random.randbytes(client.random.choice([1, 3_000, 20_000])), client.random.randrange(len(file.content) + 1))
    elif kind == "truncate" and held.writes:
        size = client.random.randrange(len(file.content) + 1)
        with changing(client, held.root, file, fd):
            client.call(f"{what}: ftruncate {size}", os.ftruncate, fd, size)
            resize(file, size)
    elif kind == "fsync":
        client.call(f"{what}: fsync", os.fsync, fd)
    elif kind == "chmod":
        mode = client.random.choice(FILE_MODES)
        client.call(f"{what}: fchmod {mode:o}", os.fchmod, fd, mode)
        file.mode = mode

def let_go(client):
    if client.held:
        held = client.held.pop(client.random.randrange(len(client.held)))
        # At the end of a window the descriptor is closed all the same, and the file is tainted already.
        with perhaps_lost(client, held), contextlib.suppress(Refused):
            client.call(f"let go of fd {held.fd}", os.close, held.fd)

def let_go_of_all(client):
    while client.held:
        let_go(client)

def mend(client):
    """There is room again: what could not be written is written anew."""
    for root in client.roots:
        use(client, root)
        for directory, name, file in root.entries("file"):
            if file.tainted:
                if not can_write(file):
                    client.call(f"chmod {path_of(directory, name)!r}", os.chmod, path_of(directory, name), 0o600)
                    file.mode = 0o600
                anew(client, root, directory, name, file)

# --- a database ---------------------------------------------------------------------------------------------------------------------------

def transact(client):
    root = client.random.choice(client.roots)
    if client.window != "" and root.disk:
        return
    use(client, root)
    path = os.fsdecode(root.top.path) + ".db"
    rows = getattr(root, "rows", 0)
    client.history.note(f"sqlite, {rows} rows, {path}")
    base = sqlite3.connect(path, timeout=30)
    try:
        if rows == 0:
            base.execute(f"pragma journal_mode={client.random.choice(['wal', 'delete'])}")
            base.execute("create table if not exists t (n integer primary key, data blob)")
        found = base.execute("select count(*), coalesce(max(n), -1) from t").fetchone()
        client.expect(found == (rows, rows - 1), f"the database has {found}, not {rows} rows")
        with base:
            for n in range(3):
                base.execute("insert into t values (?, ?)", (rows + n, client.random.randbytes(300)))
        root.rows = rows + 3
        if client.random.random() < 0.02:
            client.expect(base.execute("pragma integrity_check").fetchone() == ("ok",), "the database is not sound")
    finally:
        base.close()

OPERATIONS = [
    (create, 12), (overwrite, 12), (append, 8), (truncate, 4), (rewrite, 4), (replace, 8), (read, 14), (read_range, 6), (look_at, 10),
    (chmod, 4), (utimens, 4), (xattr, 4), (map_write, 5), (allocate, 3), (copy_range, 3), (unnamed, 2), (rename, 10), (rename_directory, 3),
    (exchange, 2), (no_replace, 2), (link, 4), (symlink, 2), (readlink, 2), (unlink, 7), (mkdir, 4), (rmdir, 3), (listing, 6), (scan, 3),
    (missing, 3), (across, 1), (hold, 5), (with_held, 20), (let_go, 2), (transact, 3),
]
