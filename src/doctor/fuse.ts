// Can an ordinary user mount: fusermount3, its configuration, and AppArmor's opinion of it.
import { FSTYPE } from "../mount/options.ts";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { HmpersistError } from "../errors.ts";
import { findFusermount } from "../mount/find-fusermount.ts";
import { readFuseConf } from "../mount/fuse-conf.ts";
import { about, type Check } from "./check.ts";

const NIXOS_HINT = "on NixOS programs.fuse.userAllowOther = true";

export const fusermount: Check = ({ env, uid, config }) => {
  const { ok, warning, problem, skipped } = about("fusermount3");
  try {
    const path = findFusermount(env, uid === 0);
    const version = versionOf(path);
    const hides = config?.storages.some((storage) => storage.directories.some(({ hideMount, allowTrash }) => hideMount || allowTrash));
    // x-gvfs-hide and x-gvfs-trash: fusermount3 accepts "x-" options from 3.17 on.
    if (hides === true && uid !== 0 && version !== undefined && Number(version.split(".")[0]) === 3 && Number(version.split(".")[1]) < 17) {
      return [
        warning(`${path} ${version} knows neither hideMounts nor allowTrash; mounts are made without`, "install fuse3 3.17 or newer"),
      ];
    }
    return [ok(`${path}${version === undefined ? "" : ` ${version}`}${uid === 0 ? "" : ", set-uid root"}`)];
  } catch (error) {
    if (!(error instanceof HmpersistError)) throw error;
    return [uid === 0 ? skipped("not found; root mounts without it") : problem(error.message, error.hint)];
  }
};

function versionOf(path: string): string | undefined {
  try {
    const text = execFileSync(path, ["--version"], { encoding: "utf8", timeout: 2000, stdio: ["ignore", "pipe", "ignore"] });
    return /(\d+\.\d+(\.\d+)?)/.exec(text)?.[1];
  } catch {
    return undefined;
  }
}

const allowsOther = (config: Config | undefined): string | undefined => config?.storages.find(({ allowOther }) => allowOther)?.option;

export const allowOther: Check = ({ config, uid }) => {
  const { ok, problem, skipped } = about("user_allow_other");
  const option = allowsOther(config);
  if (option === undefined) return [skipped("not needed: no storage sets allowOther")];
  if (uid === 0) return [skipped("not needed by root")];
  if (readFuseConf().userAllowOther) return [ok("is set in /etc/fuse.conf")];
  return [
    problem(
      `${option} sets allowOther, and /etc/fuse.conf does not permit it`,
      `as root: echo user_allow_other >> /etc/fuse.conf; ${NIXOS_HINT}`,
    ),
  ];
};

export const mountMax: Check = ({ config, mounts, uid }) => {
  const { ok, problem, skipped } = about("mount_max");
  if (uid === 0) return [skipped("does not bind root")];
  const { mountMax: max } = readFuseConf();
  const wanted = config?.storages.flatMap(({ directories }) => directories.filter(({ method }) => method === "fuse")).length ?? 0;
  const fuse = mounts.filter(({ type }) => type.startsWith("fuse."));
  const others = fuse.filter(({ type }) => type !== FSTYPE).length;
  if (max >= 0 && others + wanted > max) {
    return [
      problem(
        `${wanted} mounts are configured, ${others} others exist, and /etc/fuse.conf permits ${max}`,
        `as root: echo mount_max=${2 * (others + wanted)} >> /etc/fuse.conf`,
      ),
    ];
  }
  return [ok(`${wanted} configured, ${others} others, ${max < 0 ? "no limit" : `${max} permitted`}`)];
};

// Ubuntu's profile lets fusermount3 mount below @{HOME}, /mnt, /media, /tmp and a few more, never on the home itself.
const PROFILE = "/etc/apparmor.d/fusermount3";

export const apparmor: Check = ({ home, uid }) => {
  const { ok, warning, skipped } = about("apparmor");
  const enabled =
    existsSync("/sys/module/apparmor/parameters/enabled") &&
    readFileSync("/sys/module/apparmor/parameters/enabled", "utf8").startsWith("Y");
  if (!enabled) return [skipped("AppArmor is not in use")];
  if (!existsSync(PROFILE)) return [ok("no profile confines fusermount3")];
  if (uid === 0) return [ok("fusermount3 is confined, but root mounts without it")];
  if (/^\/home\/[^/]+$/.test(home)) return [ok("fusermount3 is confined; mounts below this home are permitted")];
  return [
    warning(
      `${PROFILE} permits mounts below /home/USER only, and your home is ${home}`,
      `as root: echo 'mount fstype=fuse.* options=(nosuid,nodev,rw) -> ${home}/**/,' >> /etc/apparmor.d/local/fusermount3 && apparmor_parser -r ${PROFILE}`,
    ),
  ];
};
