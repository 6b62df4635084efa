// Copies the bytes of one open file: in the kernel where both lie on one filesystem (btrfs and XFS share the blocks), else through a
// buffer; holes stay holes.
import { SEEK_DATA, SEEK_HOLE } from "../sys/constants.ts";
import { raw } from "../sys/call.ts";
import { ERRNO, SysError } from "../sys/errno.ts";
import { ftruncate, pread, pwriteAll } from "../sys/file.ts";
import { libc } from "../sys/libc.ts";

const CHUNK = 1024 * 1024;

/** What copy_file_range says where it cannot copy at all. */
const NOT_IN_KERNEL = new Set<number>([ERRNO.EXDEV, ERRNO.EINVAL, ERRNO.ENOSYS, ERRNO.EOPNOTSUPP]);

/**
 * Copies up to `size` bytes of `from` into the new, empty file `to`.
 * @param progress told of each piece written
 */
export function copyData(from: number, to: number, size: number, progress: (bytes: number) => void = () => {}): void {
  if (size === 0) return;
  for (let at = 0; at < size;) {
    const data = nextData(from, at) ?? size;
    if (data >= size) break;
    const hole = Math.min(seek(from, data, SEEK_HOLE) ?? size, size);
    if (!copyRange(from, to, data, hole, progress)) break;
    at = hole;
  }
  ftruncate(to, size);
}

/** Where the next data begin; undefined behind the last ones. */
export const nextData = (fd: number, offset: number): number | undefined => seek(fd, offset, SEEK_DATA);

// The offset of the next data or hole; undefined behind the last data (ENXIO). A filesystem that knows no holes is all data.
function seek(fd: number, offset: number, whence: number): number | undefined {
  const result = raw(libc.lseek, fd, offset, whence);
  if (result >= 0) return result;
  return whence === SEEK_DATA && result !== -ERRNO.ENXIO ? offset : undefined;
}

// False when the file ended before `end`: somebody truncates it; the caller finds that out by comparing.
function copyRange(from: number, to: number, start: number, end: number, progress: (bytes: number) => void): boolean {
  let at = start;
  const offIn = Buffer.alloc(8);
  const offOut = Buffer.alloc(8);
  let inKernel = true;
  const buffer = Buffer.alloc(Math.min(CHUNK, end - start));
  while (at < end) {
    let length: number;
    if (inKernel) {
      offIn.writeBigInt64LE(BigInt(at));
      offOut.writeBigInt64LE(BigInt(at));
      length = raw(libc.copy_file_range, from, offIn, to, offOut, Math.min(end - at, 64 * CHUNK), 0);
      if (length < 0 && NOT_IN_KERNEL.has(-length)) {
        inKernel = false;
        continue;
      }
      if (length < 0) throw new SysError("copy_file_range", -length);
    } else {
      length = pread(from, buffer, Math.min(buffer.length, end - at), at);
      if (length > 0) pwriteAll(to, buffer.subarray(0, length), at);
    }
    if (length === 0) return false;
    at += length;
    progress(length);
  }
  return true;
}
