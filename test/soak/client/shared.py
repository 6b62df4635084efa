# What clients do in places they share: files published by rename and read by the others, a counter under a lock, a log they all append to.
import fcntl, hashlib, os, struct
from system import Wrong

class Shared:
    """One directory on one mount; every client has a file of its own in it, and there are some for all."""

    def __init__(self, client, place):
        self.client = client
        self.path = os.fsencode(place["path"])
        self.disk = place["disk"]
        self.sequence = 0
        self.seen = {}
        self.increments = 0
        self.lines = 0
        self.log = -1

    def idle(self):
        """The clients cannot know what the others could still write: no sharing while the storage refuses."""
        return self.disk and self.client.window != ""

    def close(self):
        if self.log >= 0:
            self.client.call("close the shared log", os.close, self.log)
            self.log = -1

    def account(self):
        return {"path": os.fsdecode(self.path), "sequence": self.sequence, "increments": self.increments, "lines": self.lines}

def some(client):
    place = client.random.choice(client.shared)
    return None if place.idle() else place

def publish(client):
    place = some(client)
    if place is None:
        return
    payload = client.random.randbytes(client.random.choice([0, 100, 5_000, 70_000]))
    sequence = place.sequence + 1
    data = b"%d %s\n" % (sequence, hashlib.sha256(payload).hexdigest().encode()) + payload
    name = place.path + b"/from-" + client.name.encode()
    fd = client.call(f"publish {sequence} in {place.path!r}", os.open, name + b".tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    client.expect(client.call("write", os.write, fd, data) == len(data), "a short write")
    client.call("close", os.close, fd)
    client.call("rename", os.rename, name + b".tmp", name)
    place.sequence = sequence
    client.bytes += len(data)

def read_published(client):
    place = some(client)
    if place is None:
        return
    other = client.random.choice(client.order["clients"])
    name = place.path + b"/from-" + other.encode()
    fd = client.call(f"read what {other} published in {place.path!r}", os.open, name, os.O_RDONLY, allowed=["ENOENT"])
    if fd == "ENOENT":
        client.expect(other not in place.seen, f"{name!r} is gone")
        return
    data = b""
    while True:
        part = client.call("read", os.read, fd, 65_536)
        if not part:
            break
        data += part
    client.call("close", os.close, fd)
    head, _, payload = data.partition(b"\n")
    sequence, digest = head.split(b" ")
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise Wrong(f"{name!r} is torn")
    if int(sequence) < place.seen.get(other, 0):
        raise Wrong(f"{name!r} went back from {place.seen[other]} to {int(sequence)}")
    place.seen[other] = int(sequence)
    client.bytes += len(data)

def count(client):
    place = some(client)
    if place is None:
        return
    fd = client.call(f"count in {place.path!r}", os.open, place.path + b"/counter", os.O_RDWR | os.O_CREAT, 0o666)
    client.call("flock", fcntl.flock, fd, fcntl.LOCK_EX)
    data = client.call("pread", os.pread, fd, 8, 0)
    client.expect(len(data) in (0, 8), f"the counter has {len(data)} bytes")
    value = struct.unpack("<Q", data)[0] if data else 0
    client.call(f"pwrite {value + 1}", os.pwrite, fd, struct.pack("<Q", value + 1), 0)
    if client.random.random() < 0.5:
        client.call("unlock", fcntl.flock, fd, fcntl.LOCK_UN)
    client.call("close", os.close, fd)
    place.increments += 1

def append_line(client):
    place = some(client)
    if place is None:
        return
    if place.log < 0:
        place.log = client.call(f"open the log of {place.path!r}", os.open, place.path + b"/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    line = b"%s %d\n" % (client.name.encode(), place.lines)
    client.expect(client.call(f"append {line!r}", os.write, place.log, line) == len(line), "a short write")
    place.lines += 1

OPERATIONS = [(publish, 4), (read_published, 6), (count, 3), (append_line, 4)]
