// hmpersist.service, line by line. nix/lib.nix has the same unit for Home Manager and NixOS; test/nix compares the two.
// No sandboxing option may ever be added: NoNewPrivileges, RestrictSUIDSGID, SystemCallFilter, PrivateUsers and the like take the
// set-uid bit off fusermount3, and the kernel applies several of them to a user's unit without a word.
import { LOOKERS } from "../gate.ts";

export interface UnitOptions {
  /** The command line of the program, word by word, absolute. */
  readonly program: readonly string[];
  /** The configuration file, absolute; specifiers (%u) are escaped unless `specifiers`. */
  readonly config: string;
  /** For a unit that all users share: `config` may hold %u and %h, and nothing happens to users without such a file. */
  readonly specifiers?: boolean;
}

type Section = readonly (readonly [key: string, value: string])[];

/** The text of the unit file. */
export function unitText(options: UnitOptions): string {
  const sections = [`[Unit]\n${lines(unit(options))}`, `[Service]\n${lines(service(options))}`, `[Install]\n${lines(INSTALL)}`];
  return `# Written by "hmpersist service install"; "hmpersist service uninstall" removes it.\n${sections.join("\n")}`;
}

/** The target whose start pulls the unit in: reached early in every user manager, also by the first one after a switch. */
export const WANTED_BY = "paths.target";

const INSTALL: Section = [["WantedBy", WANTED_BY]];

// Ready before anything else of the session starts. Without default dependencies, which order a unit after basic.target: with them
// and Before=basic.target systemd finds a cycle and drops the unit.
const unit = ({ config, specifiers }: UnitOptions): Section => [
  ["Description", "Persisted directories and files of this home (hmpersist)"],
  ["DefaultDependencies", "false"],
  ["Conflicts", "shutdown.target"],
  ...["basic.target", "default.target", "paths.target", "sockets.target", "timers.target", "shutdown.target"].map(
    (target): [string, string] => ["Before", target],
  ),
  // Programs hold files open in the mounts: a daemon that fails is tried again for ever, see RestartSec.
  ["StartLimitIntervalSec", "0"],
  // Home Manager applies a new configuration by itself; neither its old nor its new way of switching may restart the service.
  ["X-RestartIfChanged", "false"],
  ["X-SwitchMethod", "keep-old"],
  ...(specifiers === true ? [["ConditionPathExists", config] as const] : []),
];

function service({ program, config, specifiers }: UnitOptions): Section {
  const execute = program.map(quote).join(" ");
  const file = specifiers === true ? quoteUnescaped(config.replaceAll("$", "$$$$")) : quote(config);
  return [
    // READY means mounted: what is ordered after this unit finds its files.
    ["Type", "notify"],
    ["ExecStart", `${execute} mount --foreground --config ${file}`],
    ["ExecReload", `${execute} apply --config ${file}`],
    // What a daemon that could not clean up left behind; nothing when it will be restarted, for then the mounts wait for it.
    ["ExecStopPost", `-${execute} unmount --leftovers`],
    // The daemon alone gets SIGTERM: with the default, systemd's second sweep kills the fusermount3 that unmounts.
    ["KillMode", "mixed"],
    ["Restart", "on-failure"],
    ["RestartSec", "1s"],
    // A service that never gets ready holds up the login this long.
    ["TimeoutStartSec", "30s"],
    ["TimeoutStopSec", "30s"],
    ["WatchdogSec", "60s"],
    // One descriptor for each file held open through a mount; the soft limit would be 1024.
    ["LimitNOFILE", "524288"],
    // One thread for each storage that hangs, see gate.ts.
    ["Environment", `UV_THREADPOOL_SIZE=${LOOKERS}`],
    // Two for each mount: it outlives a crash and a restart of the daemon.
    ["FileDescriptorStoreMax", "4096"],
  ];
}

const lines = (section: Section): string => section.map(([key, value]) => `${key}=${value}\n`).join("");

// systemd.service(5), "Command lines": quotes, backslashes, specifiers and variables mean something in a word.
const quote = (word: string): string => quoteUnescaped(word.replaceAll("%", "%%").replaceAll("$", "$$$$"));

/** The same where specifiers and variables are dealt with. */
function quoteUnescaped(word: string): string {
  if (/^[\w@%+=:,./$-]+$/.test(word)) return word;
  const quoted = word.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  // A line break in a name must not begin a line of the unit.
  return `"${quoted.replaceAll(/[\u0000-\u001f\u007f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`)}"`;
}
