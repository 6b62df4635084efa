// Does something start hmpersist after a reboot, when the home is empty? A unit that lies in a home on tmpfs is gone by then.
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { isBelow, isWithin } from "../config/place.ts";
import { exists } from "../service/install.ts";
import { lossOf, UNIT } from "../service/place.ts";
import { word } from "../shell.ts";
import { about, type Check, type Machine } from "./check.ts";
import { pathsOf } from "./unit-file.ts";

const INSTALL = "as root: hmpersist service install --system --config /persist/hmpersist/%u/config.json";
const SYSTEM = ["/etc/systemd/user", "/run/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user", "/lib/systemd/user"];

/** Directories of user units that survive a reboot, then those in the home; systemd.unit(5). */
const unitDirectories = ({ env, home }: Machine): string[] => [
  ...SYSTEM,
  join(env["XDG_CONFIG_HOME"] ?? join(home, ".config"), "systemd/user"),
  join(env["XDG_DATA_HOME"] ?? join(home, ".local/share"), "systemd/user"),
];

export const manager: Check = ({ env, user, uid }) => {
  const { ok, warning, skipped } = about("systemd");
  if (!existsSync("/run/systemd/system"))
    return [skipped("this machine does not run systemd; start `hmpersist mount` at login by other means")];
  const runtime = env["XDG_RUNTIME_DIR"] ?? `/run/user/${uid}`;
  if (!existsSync(join(runtime, "systemd/private"))) {
    return [warning("no user manager runs for you", `log in through PAM (not su), or as root: loginctl enable-linger ${user}`)];
  }
  const linger = existsSync(join("/var/lib/systemd/linger", user));
  return [ok(linger ? "the user manager runs from boot on (linger)" : "the user manager runs while you are logged in")];
};

export const service: Check = (machine) => {
  const { ok, warning, problem, skipped } = about("service");
  if (!existsSync("/run/systemd/system")) return [skipped("no systemd")];
  const found = unitDirectories(machine).filter((directory) => exists(join(directory, UNIT)));
  const lasting = found.find((directory) => survives(directory, machine));
  const [first] = found;
  if (first === undefined) {
    return [warning("no unit starts hmpersist at login", `${INSTALL}; on NixOS or with Home Manager import the module`)];
  }
  if (lasting === undefined) {
    // Home Manager as a NixOS module links the units again at every boot, before anybody logs in.
    if (exists(`/etc/systemd/system/home-manager-${machine.user}.service`))
      return [ok(`${first}/${UNIT}, which Home Manager makes again at boot`)];
    return [
      problem(
        `${first}/${UNIT} is in a home that is empty after a reboot: nothing will start it`,
        `have it outside of the home, ${INSTALL}`,
      ),
    ];
  }
  if (!enabled(unitDirectories(machine).filter((directory) => survives(directory, machine)))) {
    return [
      warning(
        `${lasting}/${UNIT} is not enabled`,
        isBelow(lasting, machine.home) ? "systemctl --user enable hmpersist" : "as root: systemctl --global enable hmpersist",
      ),
    ];
  }
  const trouble = obstacle(join(lasting, UNIT), machine);
  if (trouble !== undefined) return [problem(...trouble)];
  return [ok(`${lasting}/${UNIT} starts it at login`)];
};

/** What keeps an enabled unit from starting after a reboot, and what mends it. */
function obstacle(unit: string, machine: Machine): [message: string, fix: string] | undefined {
  if (linkTo(unit) === "/dev/null") return [`${unit} is masked`, `rm ${word(unit)}`];
  for (const path of existsSync(unit) ? pathsOf(readFileSync(unit, "utf8"), machine) : []) {
    if (machine.silent.some((storage) => isWithin(path, storage))) continue;
    if (!existsSync(path))
      return [`${unit} needs ${path}, which is not there`, "put it there, or write the unit anew: hmpersist service install"];
    // A link outside of the home is made again at boot by whoever made it, as NixOS does on a volatile root.
    if (linkTo(path) !== undefined && !isBelow(path, machine.home)) continue;
    const loss = lossOf(path, machine.home, machine.mounts);
    if (loss === "mount") return [`${unit} needs ${path}, which can be read only once hmpersist has mounted it`, KEEP];
    if (loss === "volatile") return [`${unit} needs ${path}, which is gone after a reboot`, KEEP];
  }
  return undefined;
}

const KEEP = `keep it outside of the home, on a disk, and write the unit anew, ${INSTALL}`;

const survives = (directory: string, { home, mounts }: Machine): boolean =>
  isBelow(directory, home) ? lossOf(directory, home, mounts) === "home" : !directory.startsWith("/run/");

const enabled = (directories: readonly string[]): boolean =>
  directories.some((directory) =>
    names(directory).some((name) => /\.(wants|requires|upholds)$/.test(name) && exists(join(directory, name, UNIT))),
  );

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function linkTo(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
