// Paths as they may be written in a configuration. What is refused here could escape the home or the storage, or could not be shown
// on one line of a terminal, a unit file or the mount table.

export type PathResult = { readonly path: string } | { readonly problem: string; readonly wayOut: string };

/** A path relative to home and storage: components without empty and "." ones; ".." and everything absolute is refused. */
export function relativePath(written: string, home: string): PathResult {
  const bad = unfit(written);
  if (bad !== undefined) return bad;
  if (written.startsWith("/")) {
    const inside = written === home || written.startsWith(`${home}/`) ? written.slice(home.length + 1) : "";
    return refuse(
      "an absolute path",
      inside === ""
        ? "write it relative to the home, without the leading slash"
        : `write it relative to the home: ${JSON.stringify(inside)}`,
    );
  }
  if (written === "~" || written.startsWith("~/")) return refuse('"~" is not expanded', "write it relative to the home");
  const parts = written.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) return refuse('".." leads out of the storage', "write the path without it");
  if (parts.length === 0) return refuse("names the home itself", "name something in the home");
  return { path: parts.join("/") };
}

/** An absolute path without empty, "." and ".." components. */
export function absolutePath(written: string): PathResult {
  const bad = unfit(written);
  if (bad !== undefined) return bad;
  if (!written.startsWith("/"))
    return refuse("not an absolute path", "write it from the root, starting with a slash (~ and variables are not expanded)");
  const parts = written.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) return refuse('".." in a path', "write the path without it");
  if (parts.length === 0) return refuse("the root directory", "name a directory below it");
  return { path: `/${parts.join("/")}` };
}

function unfit(written: string): PathResult | undefined {
  if (written === "") return refuse("an empty path", "name something in the home");
  if (/[\u0000-\u001f\u007f]/.test(written))
    return refuse("a control character in a path", "rename the file or directory, then name it here");
  if (/\p{Surrogate}/u.test(written)) return refuse("half of a surrogate pair in a path", "write the character as UTF-8");
  if (Buffer.byteLength(written) > 4095) return refuse("longer than 4095 bytes", "use a shorter path");
  if (written.split("/").some((part) => Buffer.byteLength(part) > 255)) return refuse("a name longer than 255 bytes", "use a shorter name");
  return undefined;
}

const refuse = (problem: string, wayOut: string): PathResult => ({ problem, wayOut });
