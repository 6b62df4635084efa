# Writes linked files in the ways programs do, and reads them again: whatever the daemon does to the links, or is done to the daemon, the
# name in the home has at every moment what was written last.
import hashlib, os
from process import Process, main
from system import Wrong

class Links(Process):
    def __init__(self, order):
        super().__init__(order)
        self.paths = [os.fsencode(path) for path in order["links"]]
        self.content = {}

    def step(self):
        path = self.random.choice(self.paths)
        operation = self.random.choices([self.read, self.replace, self.rewrite, self.append], weights=[12, 3, 2, 2])[0]
        operation(path, self.random.randbytes(self.random.choice([0, 10, 5_000, 200_000])))

    def write(self, path, flags, data):
        fd = self.call(f"open {path!r} {flags:#o}", os.open, path, flags | os.O_CREAT, 0o600)
        done = self.call(f"write {len(data)}", os.write, fd, data)
        self.expect(done == len(data), "a short write")
        if self.random.random() < 0.3:
            self.call("fsync", os.fsync, fd)
        self.call("close", os.close, fd)
        self.bytes += len(data)

    def replace(self, path, data):
        self.write(path + b".tmp", os.O_WRONLY | os.O_EXCL, data)
        self.call(f"rename over {path!r}", os.rename, path + b".tmp", path)
        self.content[path] = data

    def rewrite(self, path, data):
        self.write(path, os.O_WRONLY | os.O_TRUNC, data)
        self.content[path] = data

    def append(self, path, data):
        if len(self.content.get(path, b"")) > 1_000_000:
            return
        self.write(path, os.O_WRONLY | os.O_APPEND, data)
        self.content[path] = self.content.get(path, b"") + data

    def read(self, path, _):
        wanted = self.content.get(path)
        fd = self.call(f"read {path!r}", os.open, path, os.O_RDONLY, allowed=["ENOENT"] if wanted is None else [])
        if fd == "ENOENT":
            return
        data = b""
        while part := self.call("read", os.read, fd, 1 << 17):
            data += part
        self.call("close", os.close, fd)
        if data != wanted:
            raise Wrong(f"{path!r} has {len(data)} bytes that are not the {len(wanted or b'')} written last")

    def pause(self):
        for path in self.paths:
            self.read(path, b"")

    def account(self):
        return {"links": [{"target": os.fsdecode(path), "digest": hashlib.sha256(data).hexdigest()} for path, data in self.content.items()]}

main(Links)
