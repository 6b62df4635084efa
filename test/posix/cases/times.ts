// Times: whole nanoseconds, before 1970 and after 2038, each settable alone, also on symlinks and unlinked files.
import assert from "node:assert/strict";
import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
  chmodSync,
  type BigIntStats,
} from "node:fs";
import { AT_FDCWD, UTIME_NOW, UTIME_OMIT } from "../../../src/sys/constants.ts";
import { call } from "../../../src/sys/call.ts";
import { libc } from "../../../src/sys/libc.ts";
import { cstr } from "../../../src/sys/name.ts";
import { STATX, STATX_BTIME } from "../../../src/sys/stat.ts";
import { futimens, utimens, NotHere, type Cases } from "../calls.ts";

const stat = (path: string): BigIntStats => lstatSync(path, { bigint: true });
const second = 1_000_000_000n;
const omit = { special: UTIME_OMIT };
const now = { special: UTIME_NOW };

export const times: Cases = {
  "times keep every nanosecond": (directory) => {
    const file = `${directory}/file`;
    writeFileSync(file, "");
    utimens(file, 1_234_567_890_123_456_789n, 1_987_654_321_987_654_321n);
    assert.equal(stat(file).atimeNs, 1_234_567_890_123_456_789n);
    assert.equal(stat(file).mtimeNs, 1_987_654_321_987_654_321n);
  },
  "times before 1970 and after 2038 are kept, on files, directories and symlinks": (directory) => {
    writeFileSync(`${directory}/file`, "");
    mkdirSync(`${directory}/dir`);
    symlinkSync("nowhere", `${directory}/link`);
    for (const name of ["file", "dir", "link"]) {
      // From 1901 to 2446: what ext4 holds, the narrowest of the usual storages.
      for (const at of [-1n, -second, -2_000_000_000n * second + 7n, 4_000_000_000n * second + 999_999_999n, 15_000_000_000n * second]) {
        utimens(`${directory}/${name}`, at, at + 1n);
        assert.equal(stat(`${directory}/${name}`).atimeNs, at, `atime of ${name}`);
        assert.equal(stat(`${directory}/${name}`).mtimeNs, at + 1n, `mtime of ${name}`);
      }
    }
  },
  "UTIME_OMIT leaves a time alone and UTIME_NOW takes the clock": (directory) => {
    const file = `${directory}/file`;
    writeFileSync(file, "");
    utimens(file, 5n * second, 6n * second);
    utimens(file, omit, 7n * second);
    assert.deepEqual([stat(file).atimeNs, stat(file).mtimeNs], [5n * second, 7n * second]);
    utimens(file, 8n * second, omit);
    assert.deepEqual([stat(file).atimeNs, stat(file).mtimeNs], [8n * second, 7n * second]);
    const clock = BigInt(Date.now()) * 1_000_000n;
    utimens(file, omit, now);
    assert.equal(stat(file).atimeNs, 8n * second);
    const off = stat(file).mtimeNs - clock;
    assert.ok(off > -second && off < 30n * second, `${off}`);
    utimens(file, omit, omit);
    assert.equal(stat(file).atimeNs, 8n * second);
  },
  "the times of a symlink are its own": (directory) => {
    writeFileSync(`${directory}/target`, "");
    symlinkSync("target", `${directory}/link`);
    utimens(`${directory}/target`, second, second);
    utimens(`${directory}/link`, 2n * second + 3n, 4n * second + 5n);
    assert.deepEqual([stat(`${directory}/link`).atimeNs, stat(`${directory}/link`).mtimeNs], [2n * second + 3n, 4n * second + 5n]);
    assert.equal(statSync(`${directory}/link`, { bigint: true }).mtimeNs, second);
  },
  "a write moves mtime and ctime, a chmod only ctime, and a set mtime stays while the file is open for writing": (directory) => {
    const file = `${directory}/file`;
    writeFileSync(file, "1");
    utimens(file, second, second);
    chmodSync(file, 0o600);
    assert.equal(stat(file).mtimeNs, second);
    const fd = openSync(file, "r+");
    writeSync(fd, "22");
    assert.ok(fstatSync(fd, { bigint: true }).mtimeNs > 1_000_000n * second);
    futimens(fd, 3n * second, 4n * second);
    assert.equal(fstatSync(fd, { bigint: true }).mtimeNs, 4n * second);
    closeSync(fd);
    // What rsync and tar depend on: written first, dated afterwards, closed last.
    assert.deepEqual([stat(file).atimeNs, stat(file).mtimeNs, stat(file).size], [3n * second, 4n * second, 2n]);
  },
  "a set mtime is not moved by reading, by another open or by fsync": (directory) => {
    const file = `${directory}/file`;
    writeFileSync(file, "content");
    utimens(file, second, second + 1n);
    readFileSync(file);
    const fd = openSync(file, "r+");
    call("fsync", "file", libc.fsync, fd);
    closeSync(fd);
    assert.equal(stat(file).mtimeNs, second + 1n);
  },
  "btime is the time of creation and never moves": (directory) => {
    const file = `${directory}/file`;
    const buffer = Buffer.alloc(STATX.size);
    const btime = (): bigint => {
      call("statx", "file", libc.statx, AT_FDCWD, cstr(file), 0, STATX_BTIME, buffer);
      if ((buffer.readUInt32LE(STATX.stx_mask) & STATX_BTIME) === 0) throw new NotHere("statx gives no btime");
      return buffer.readBigInt64LE(STATX.stx_btime) * second + BigInt(buffer.readUInt32LE(STATX.stx_btime + 8));
    };
    const clock = BigInt(Date.now()) * 1_000_000n;
    writeFileSync(file, "");
    const born = btime();
    assert.ok(born > clock - second && born < clock + 30n * second, `${born} against ${clock}`);
    utimens(file, second, second);
    writeFileSync(file, "more");
    assert.equal(btime(), born);
  },
};
