// Limits of the kernel that a large configuration meets: inotify watches for mending links, descriptors for serving mounts.
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { targetOf } from "../config/place.ts";
import { about, type Check } from "./check.ts";

const numberIn = (path: string): number => Number(readFileSync(path, "utf8").trim());

// A fresh login takes a few; browsers and editors take thousands, and the limit is per user.
const OTHERS = 1000;

export const inotify: Check = ({ config, home }) => {
  const { ok, warning } = about("inotify");
  const parents = new Set(
    (config?.storages ?? []).flatMap((storage) => storage.files.map(({ file }) => dirname(targetOf(home, storage, file)))),
  );
  const watches = numberIn("/proc/sys/fs/inotify/max_user_watches");
  const instances = numberIn("/proc/sys/fs/inotify/max_user_instances");
  const message = `${parents.size} directories of links to watch; the limits are ${watches} watches and ${instances} instances`;
  if (watches < parents.size + OTHERS) {
    return [warning(message, "as root: sysctl fs.inotify.max_user_watches=524288 (and in /etc/sysctl.d)")];
  }
  return instances < 128 ? [warning(message, "as root: sysctl fs.inotify.max_user_instances=512 (and in /etc/sysctl.d)")] : [ok(message)];
};

// Programs that keep thousands of files open through a mount cost the server as many descriptors.
const ENOUGH = 16_384;

export const descriptors: Check = () => {
  const { ok, warning } = about("descriptors");
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? "0";
  if (hard === "unlimited" || Number(hard) >= ENOUGH) return [ok(`up to ${hard} open files`)];
  return [
    warning(
      `at most ${hard} files may be open at once`,
      "raise it: LimitNOFILE=524288 in the unit, or `* hard nofile 524288` in /etc/security/limits.conf",
    ),
  ];
};
