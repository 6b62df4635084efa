// Who hmpersist runs as, by name: options `user` and `group` of shared configurations may name nobody else.
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";

export interface Identity {
  isUser(name: string): boolean;
  inGroup(name: string): boolean;
}

/** The identity of this process; the user and group databases are read when first asked. */
export const ownIdentity: Identity = {
  isUser: (name) => name === String(process.getuid?.()) || name === ownName(),
  inGroup: (name) => {
    const gids = [process.getgid?.(), ...(process.getgroups?.() ?? [])].map(String);
    if (/^\d+$/.test(name)) return gids.includes(name);
    const gid = gidOf(name);
    // A group of LDAP or another service is not in the file: nothing speaks against it.
    return gid === undefined || gids.includes(gid);
  },
};

function gidOf(group: string): string | undefined {
  const lines = readFileSync("/etc/group", "utf8").split("\n");
  return lines.map((line) => line.split(":")).find(([name]) => name === group)?.[2];
}

// A uid without an entry in the user database is no error here: such a process is simply nobody by name.
function ownName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}
