// A chokidar watcher that never looks at what lies in the directory it watches: mountpoints lie there too, and a look at one goes through
// the mount, to wait for a storage that may not answer. Only what the kernel says of names ("raw") comes out of it.
import { FSWatcher } from "chokidar";

class NamesOnly extends FSWatcher {
  // chokidar lists a watched directory and stats every entry, at the start and after each event; it takes "nothing to list" for an answer.
  override _readdirp(): undefined {
    return undefined;
  }
}

/** @returns the watcher when its watch stands, or when it is known that it cannot: `error` is told why then. */
export async function watchDirectory(
  directory: string,
  raw: (name: string | null) => void,
  error: (error: unknown) => void,
): Promise<FSWatcher> {
  // Files get no watches of their own: what happens to a name, its directory tells.
  const watcher = new NamesOnly({ depth: 0, followSymlinks: false, atomic: false, ignored: (path) => path !== directory });
  watcher.on("raw", (_event, name) => raw(name));
  watcher.on("error", error);
  const ready = new Promise<void>((resolve) => watcher.once("ready", resolve));
  watcher.add(directory);
  await ready;
  return watcher;
}
