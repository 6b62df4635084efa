#!/usr/bin/python3
# Stands in for fusermount3 and does what FAKE_FUSERMOUNT says, as JSON: bytes and descriptors it sends, what it says, how it ends.
import array, json, os, signal, socket, sys, time

order = json.loads(os.environ["FAKE_FUSERMOUNT"])
# The unmounting of what it never mounted.
if "-u" in sys.argv:
    sys.exit(0)

def descriptor(kind):
    if kind == "fuse": return os.open("/dev/fuse", os.O_RDWR)
    if kind == "pipe": return os.pipe()[0]
    if kind == "socket": return socket.socketpair()[0].detach()
    if kind == "memfd": return os.memfd_create("x")
    if kind == "self": return 3
    return os.open(kind, os.O_RDONLY)

if order.get("closeFirst"): os.close(3)
else:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, 3)
    for message in order.get("messages", []):
        rights = array.array("i", [descriptor(kind) for kind in message["descriptors"]])
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if len(rights) > 0 else []
        try: peer.sendmsg([bytes(message["bytes"])], ancillary)
        except OSError: pass
sys.stderr.buffer.write(bytes(order.get("says", [])) * order.get("times", 1))
sys.stderr.flush()
if order.get("leavesChild") and os.fork() == 0:
    time.sleep(12)
    os._exit(0)
if order.get("hangs"): time.sleep(12)
if order.get("signal"): os.kill(os.getpid(), order["signal"])
os._exit(order.get("exit", 0))
