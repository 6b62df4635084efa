// Standard output and error, the same for every command: one that is full, or that nobody reads any more, ends no command halfway.
import { fstatSync, writeFileSync } from "node:fs";

let failure: NodeJS.ErrnoException | undefined;

/** To be called before anything is written. */
export function guardStreams(): void {
  const { stdout, stderr } = process;
  stdout.on("error", (error) => (failure ??= error));
  stderr.on("error", () => {});
  if (!fstatSync(stdout.fd).isFile()) return;
  // Node's own passes over what a disk that fills up did not take of a write.
  stdout._write = (chunk: Uint8Array, _encoding, done) => {
    try {
      writeFileSync(stdout.fd, chunk);
      done();
    } catch (error) {
      done(error as Error);
    }
  };
}

/** Why standard output takes nothing more; undefined as long as it does. */
export const outputFailure = (): NodeJS.ErrnoException | undefined => failure ?? process.stdout.errored ?? undefined;
