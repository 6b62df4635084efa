// A mount as options of libfuse 2. nosuid and nodev are its defaults. Refusing a directory that is not empty is the plan's business,
// and fusermount3 does not ask, so root's own path is told not to ask either.
import { statfsSync } from "node:fs";
import type { ServeSpec } from "../engine/engine.ts";
import { MAX_TEXT } from "./binding.ts";

// fuse-native carries 32 bits of an inode number. These filesystems need no more; elsewhere two files could seem to be one, so libfuse
// makes numbers up.
const EXT4 = 0xef53;
const TMPFS = 0x01021994;

/** The `-o` argument for `spec`. Throws an Error if it or the mountpoint is longer than fuse-native can take. */
export function mountOptions(spec: ServeSpec): string {
  const options = [`fsname=${escaped(spec.source)}`, "subtype=hmpersist", "default_permissions", "big_writes", "nonempty"];
  if (spec.allowOther) options.push("allow_other");
  if ([EXT4, TMPFS].includes(statfsSync(spec.source).type)) options.push("use_ino");
  const text = `-o${options.join(",")}`;
  if (Buffer.byteLength(text) > MAX_TEXT || Buffer.byteLength(spec.mountpoint) > MAX_TEXT) {
    throw new Error(`${spec.mountpoint}: the engine fuse-native takes no paths of ${MAX_TEXT} bytes and more`);
  }
  return text;
}

/** libfuse splits options at commas and reads a backslash as an escape. */
const escaped = (value: string): string => value.replace(/[\\,]/g, (char) => `\\${char}`);
