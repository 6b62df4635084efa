// Paths as the kernel's mount table names them. Where /home is a link to /var/home, a mount made on /home/jane/x is listed below /var.
import { realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The home with every link in its path resolved; as it is written if it cannot be reached (which is said elsewhere). */
export function realHome(home: string): string {
  try {
    return realpathSync.native(home);
  } catch {
    return home;
  }
}

/** The same for an entry in it, whose own name may be a link of ours or a mount that hangs: only what lies above it is resolved. */
export const realEntry = (path: string): string => join(realHome(dirname(path)), basename(path));
