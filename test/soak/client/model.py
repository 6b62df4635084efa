# What must be there: the names, files, directories and links below one root, exactly. A node here is an inode: hard links share it.
import hashlib

class File:
    kind = "file"

    def __init__(self, mode):
        self.content = bytearray()
        self.mode = mode
        self.mtime = None   # nanoseconds; None after a write until the next look, from when on it must stay
        self.xattrs = {}
        self.nlink = 0
        self.ino = None
        self.tainted = False  # a write failed for want of room: anything may be in it until it is written anew

    def describe(self):
        digest = None if self.tainted else hashlib.sha256(self.content).hexdigest()
        return {"kind": "file", "mode": self.mode, "size": len(self.content), "digest": digest, "mtime": None if self.mtime is None else str(self.mtime), "ino": self.ino,
                "nlink": self.nlink, "xattrs": {name: value.hex() for name, value in self.xattrs.items()}}

class Symlink:
    kind = "symlink"

    def __init__(self, target):
        self.target = target

    def describe(self):
        return {"kind": "symlink", "target": self.target.hex()}

class Directory:
    kind = "directory"

    def __init__(self, path, parent=None, mode=0o700):
        self.path = path    # bytes; follows renames of its ancestors through `moved`
        self.parent = parent
        self.mode = mode
        self.children = {}

    def moved(self, path, parent):
        self.path, self.parent = path, parent
        for name, child in self.children.items():
            if child.kind == "directory":
                child.moved(path + b"/" + name, self)

    def walk(self):
        yield self
        for child in list(self.children.values()):
            if child.kind == "directory":
                yield from child.walk()

    def holds(self, other):
        while other is not None:
            if other is self:
                return True
            other = other.parent
        return False

    def describe(self):
        return {"kind": "directory", "mode": self.mode, "children": {name.hex(): child.describe() for name, child in self.children.items()}}

class Root:
    """One subtree of its own on one mount; `disk`: on the storage that may fill up or become read-only; `writeback`: the kernel writes later."""

    def __init__(self, path, disk, writeback):
        self.top = Directory(path)
        self.disk = disk
        self.writeback = writeback
        # What is written in the tick of its creation dates a file in storage later than in the kernel, which sees no reason to correct it.
        self.dates_writes = not writeback
        self.xattrs = True

    def directories(self):
        return list(self.top.walk())

    def entries(self, kind):
        return [(directory, name, child) for directory in self.top.walk() for name, child in directory.children.items() if child.kind == kind]

    def bytes(self):
        return sum(len(file.content) for _, _, file in self.entries("file"))
