# Calls that Python's os module lacks, and the one way every call of a client goes: noted in the history, its errno judged.
import collections, ctypes, errno, os, time

libc = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2
AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400
STARTED = time.time()

def checked(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result

def renameat2(old, new, flags):
    checked(libc.renameat2(AT_FDCWD, old, AT_FDCWD, new, flags))

def fallocate(fd, mode, offset, length):
    checked(libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)))

def syncfs(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        checked(libc.syncfs(fd))
    finally:
        os.close(fd)

def link_descriptor(fd, path):
    checked(libc.linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, path, AT_SYMLINK_FOLLOW))

class Wrong(Exception):
    """The mount is not what the model says."""

class Refused(Exception):
    """An errno that is allowed at this time; nothing was changed, or the file is tainted."""

class History:
    def __init__(self, size=120):
        self.lines = collections.deque(maxlen=size)

    def note(self, text):
        self.lines.append("%9.3f %s" % (time.time() - STARTED, text))

    def add(self, text):
        self.lines[-1] += text

def name_of(error):
    return errno.errorcode.get(error.errno, str(error.errno))
