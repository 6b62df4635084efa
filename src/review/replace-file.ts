// Replaces a file in one step: whoever reads it, also after the disk was full or the power went, finds the old content or the new, whole.
import { closeSync, fchownSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { HmpersistError } from "../errors.ts";

/** `write` gets the descriptor of a new file. @throws HmpersistError HMP_ENVIRONMENT; what was at `file` is there then. */
export function replaceFile(file: string, write: (fd: number) => void): void {
  const temporary = `${file}.${process.pid}.new`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    rmSync(temporary, { force: true });
    const fd = openSync(temporary, "wx", 0o600);
    try {
      const before = statSync(file, { throwIfNoEntry: false });
      // What root writes for a user is the user's, who could not read it else.
      if (before !== undefined && process.geteuid?.() === 0) fchownSync(fd, before.uid, before.gid);
      write(fd);
      fsyncSync(fd);
      renameSync(temporary, file);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const hint = "make room there, and check the permissions; nothing was changed";
    throw new HmpersistError("HMP_ENVIRONMENT", `${file} cannot be written: ${code}`, hint, { cause: error });
  }
}
