// A tree with everything a home may hold, and a listing of a tree that shows all of it.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";

/** Makes it at `path`, which must lie on a filesystem with xattrs and ACLs. */
export function makeTree(path: string): void {
  mkdirSync(path);
  execFileSync(
    "bash",
    [
      "-euc",
      `
      mkdir -p a/b/c "with space" $'odd\\n\\e[31m' $'bytes\\xff\\xfe' empty
      printf one > a/one; ln a/one a/b/two; ln a/one "with space/three"
      printf bytes > $'bytes\\xff\\xfe/f\\x80'
      printf odd > $'odd\\n\\e[31m/x'
      truncate -s 8M sparse; printf data | dd of=sparse bs=1 seek=4000000 conv=notrunc status=none
      head -c 3000000 /dev/urandom > big
      mkfifo pipe; mknod null c 1 3; mknod disk b 259 300; ln -s ../nowhere dangling; ln -s a/one good
      python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('sock')"
      printf s > secret; chmod 600 secret; chmod 4755 big; chmod 1777 empty; chmod 500 a/b/c
      setfattr -n user.note -v hello a/one; setfattr -n user.dir -v yes a
      setfacl -m u:daemon:r a/one secret; setfacl -d -m u:daemon:rx a
      touch -d '1969-12-31 23:59:59.5 UTC' secret; touch -d '2001-02-03 04:05:06.789012345 UTC' a/b big; touch -hd '2002-01-01' dangling
      `,
    ],
    { cwd: path },
  );
}

/** One line per name: type, permissions, owner, size, links, time, attributes, ACL, content. */
export const listTree = (path: string): string =>
  execFileSync(
    "bash",
    [
      "-euc",
      `
      export LC_ALL=C
      find . -mindepth 1 -printf '%P|%y|%m|%U:%G|%s|%n|%T@|%l\\0' | sed -zE 's/^([^|]*\\|d\\|[^|]*\\|[^|]*)\\|[0-9]+\\|[0-9]+/\\1/' | sort -z | tr '\\0' '\\n'
      find . -mindepth 1 ! -type l -print0 | sort -z | xargs -0r getfattr -hd -m - 2>/dev/null
      find . -mindepth 1 ! -type l -print0 | sort -z | xargs -0r getfacl 2>/dev/null
      find . -type c -o -type b | sort | xargs -r stat -c '%n %t:%T'
      find . -type f -print0 | sort -z | xargs -0r sha256sum
      `,
    ],
    { cwd: path, encoding: "utf8" },
  );
