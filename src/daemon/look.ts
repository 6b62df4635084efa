// Looks at paths without ever waiting long, through one gate per filesystem root (home, each storage); while a look there has not come
// back, later ones are answered ETIMEDOUT at once.
import { lstat, opendir, readFile, readlink, realpath } from "node:fs/promises";
import { isWithin } from "../config/place.ts";
import type { Gate } from "../gate.ts";
import type { Found } from "../plan/types.ts";

const NAMES_SHOWN = 5;
/** Larger files are not compared: they differ, and the user decides. */
const COMPARE_MAX = 16 * 1024 * 1024;

const TIMED_OUT: Found = { type: "error", errno: "ETIMEDOUT" };

/** What stands at `path`: a link "itself", or what it leads to ("follow"; a dangling one is a link all the same). */
export const look = (gate: Gate, path: string, links: "follow" | "itself"): Promise<Found> =>
  gate.run(() => lookAt(path, links), TIMED_OUT);

/** What `path` leads to; a directory that lies outside of `root` is an error, EXDEV. */
export const lookWithin = (gate: Gate, root: string, path: string): Promise<Found> =>
  gate.run(() => lookAt(path, "follow", root), TIMED_OUT);

async function lookAt(path: string, links: "follow" | "itself", root?: string): Promise<Found> {
  try {
    const stat = await lstat(path, { bigint: true });
    if (stat.isSymbolicLink()) {
      const text = await readlink(path);
      const real = links === "follow" ? await realpath(path).catch(missingTarget) : undefined;
      if (real === undefined) return { type: "link", text };
      const found = await lookAt(real, "itself");
      const outside = root !== undefined && found.type === "directory" && !isWithin(real, await realpath(root));
      return outside ? { type: "error", errno: "EXDEV" } : found;
    }
    if (stat.isFile()) return { type: "file", size: Number(stat.size) };
    if (stat.isDirectory()) return { ...(await lookInto(path)), id: idOf(stat) };
    return { type: "other" };
  } catch (error) {
    const { code = "EIO", syscall } = error as NodeJS.ErrnoException;
    // Replaced by something else since it was a link.
    if (code === "EINVAL" && syscall === "readlink") return lookAt(path, links, root);
    return code === "ENOENT" ? { type: "missing" } : { type: "error", errno: code };
  }
}

/** Which file it is, of all that are there. */
export const idOf = ({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string => `${dev}:${ino}`;

// A dangling link is a fact to be planned with; a loop (ELOOP) is an error.
function missingTarget(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

async function lookInto(path: string): Promise<Extract<Found, { type: "directory" }>> {
  const names: string[] = [];
  const directory = await opendir(path);
  for await (const entry of directory) {
    names.push(entry.name);
    if (names.length === NAMES_SHOWN) break;
  }
  return { type: "directory", empty: names.length === 0, names: names.sort() };
}

/** Whether two regular files hold the same bytes. */
export async function sameContent(a: string, b: string): Promise<boolean> {
  const [statA, statB] = await Promise.all([lstat(a), lstat(b)]);
  if (!statA.isFile() || !statB.isFile() || statA.size !== statB.size || statA.size > COMPARE_MAX) return false;
  const [bytesA, bytesB] = await Promise.all([readFile(a), readFile(b)]);
  return bytesA.equals(bytesB);
}

/** Whether two paths are one directory, as a bind mount makes them. */
export async function sameDirectory(a: string, b: string): Promise<boolean> {
  const [statA, statB] = await Promise.all([lstat(a, { bigint: true }), lstat(b, { bigint: true })]);
  return idOf(statA) === idOf(statB);
}
