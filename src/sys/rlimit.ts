// Resource limits; getrlimit(2).
import { RLIMIT_NOFILE } from "./constants.ts";
import { call } from "./call.ts";
import { libc } from "./libc.ts";

/** Raises the soft limit of open descriptors to the hard one and returns it. */
export function raiseNofile(): number {
  const limit = Buffer.alloc(16);
  call("getrlimit", "RLIMIT_NOFILE", libc.getrlimit, RLIMIT_NOFILE, limit);
  limit.copy(limit, 0, 8, 16);
  call("setrlimit", "RLIMIT_NOFILE", libc.setrlimit, RLIMIT_NOFILE, limit);
  return Number(limit.readBigUInt64LE(0));
}
