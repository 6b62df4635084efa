# Compares a tree with a model's description: through the mount while it is in use, in the storage afterwards, by whoever is not the one
# that wrote it. As a program: verify.py MODEL.json, where the file is a list of {"path", "tree"}; says what differs, ends with 1 then.
import hashlib, json, os, stat, sys

PRIVATE = b".hmpersist-"

def differences(path, wanted, same_inodes=True):
    st = os.lstat(path)
    kind = "directory" if stat.S_ISDIR(st.st_mode) else "symlink" if stat.S_ISLNK(st.st_mode) else "file" if stat.S_ISREG(st.st_mode) else "other"
    if kind != wanted["kind"]:
        yield f"{path!r} is a {kind}, not a {wanted['kind']}"
    elif kind == "directory":
        yield from in_directory(path, st, wanted, same_inodes)
    elif kind == "symlink":
        if os.readlink(path).hex() != wanted["target"]:
            yield f"{path!r} leads to {os.readlink(path)!r}"
    else:
        yield from in_file(path, st, wanted, same_inodes)

def in_directory(path, st, wanted, same_inodes):
    if stat.S_IMODE(st.st_mode) != wanted["mode"]:
        yield f"{path!r} has mode {stat.S_IMODE(st.st_mode):o}, not {wanted['mode']:o}"
    names = {name.hex() for name in os.listdir(path)}
    for name in sorted(names ^ set(wanted["children"])):
        yield f"{path!r}: {bytes.fromhex(name)!r} {'is too much' if name in names else 'is missing'}"
    for name in sorted(names & set(wanted["children"])):
        yield from differences(path + b"/" + bytes.fromhex(name), wanted["children"][name], same_inodes)

def in_file(path, st, wanted, same_inodes):
    found = {"mode": stat.S_IMODE(st.st_mode), "nlink": st.st_nlink}
    if wanted["digest"] is not None:
        found["size"] = st.st_size
        with open(path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NOATIME if os.geteuid() in (0, st.st_uid) else flags)) as file:
            found["digest"] = hashlib.sha256(file.read()).hexdigest()
        if wanted["mtime"] is not None:
            found["mtime"] = str(st.st_mtime_ns)  # more digits than the numbers of whoever passes the file on
    if same_inodes and wanted["ino"] is not None:
        found["ino"] = st.st_ino
    for key, value in found.items():
        if value != wanted[key]:
            yield f"{path!r}: {key} is {value}, not {wanted[key]}"
    names = [name for name in os.listxattr(path) if name.startswith("user.")]
    xattrs = {name: os.getxattr(path, name).hex() for name in names}
    if xattrs != wanted["xattrs"]:
        yield f"{path!r}: extended attributes are {xattrs}, not {wanted['xattrs']}"

if __name__ == "__main__":
    wrong = 0
    for part in json.load(open(sys.argv[1])):
        for line in differences(os.fsencode(part["path"]), part["tree"]):
            print(line)
            wrong += 1
    sys.exit(1 if wrong else 0)
