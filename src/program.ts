// What this process runs from, and what every server and worker is started from.
import { fileURLToPath } from "node:url";

/** Node.js and this package. */
export const PROGRAM: readonly string[] = [process.execPath, fileURLToPath(new URL("../package.json", import.meta.url))];
