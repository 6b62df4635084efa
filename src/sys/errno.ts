// errno numbers and names, and the error every wrapper in sys/ throws. Numbers are Linux's (asm-generic/errno.h), which are the
// same on x86_64 and aarch64.
import { constants } from "node:os";

const { errno: known } = constants;

/** By name, errno(3): those node knows, and those it does not that a filesystem may answer. */
export const ERRNO = { ...known, ENOTBLK: 15, ESHUTDOWN: 108, EUCLEAN: 117, EREMOTEIO: 121 } as const;

export type ErrnoName = keyof typeof ERRNO;

const names = new Map<number, string>();
for (const [name, value] of Object.entries(ERRNO)) if (!names.has(value)) names.set(value, name);

/** "ENOENT" for 2; "errno 4711" for a number without a name. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}

/** A failed system call. `code` has node:fs's spelling, so callers may treat both alike. */
export class SysError extends Error {
  override readonly name = "SysError";
  readonly errno: number;
  readonly code: string;
  readonly syscall: string;

  constructor(syscall: string, errno: number, detail?: string) {
    const code = errnoName(errno);
    super(detail === undefined ? `${syscall}: ${code}` : `${syscall} ${detail}: ${code}`);
    this.errno = errno;
    this.code = code;
    this.syscall = syscall;
  }
}

/** True if `error` is a failed call, ours or node's, with one of these errno names; of two names for one number (EOPNOTSUPP) either serves. */
export function isErrno(error: unknown, ...wanted: ErrnoName[]): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  const errno = (ERRNO as Partial<Record<string, number>>)[code ?? ""];
  return errno !== undefined && wanted.some((name) => ERRNO[name] === errno);
}
