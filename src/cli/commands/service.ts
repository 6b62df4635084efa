// `hmpersist service`: the unit for people without Home Manager or NixOS.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { homeOf, locations } from "../../config/locations.ts";
import { EXIT, HmpersistError } from "../../errors.ts";
import { install as write, look, uninstall as remove } from "../../service/install.ts";
import { lossOf, placeOf, UNIT, type Loss, type Scope } from "../../service/place.ts";
import { systemctlUser } from "../../service/systemctl.ts";
import { unitText } from "../../service/unit.ts";
import { readMountinfo } from "../../sys/mountinfo.ts";
import { printable } from "../../sys/text.ts";
import { word } from "../../shell.ts";
import { printJson } from "../json-output.ts";
import { absolute } from "../working-directory.ts";

export interface ServiceOptions {
  readonly user?: true;
  readonly system?: true;
  readonly config?: string;
  readonly json?: true;
}

export function install(options: ServiceOptions): void {
  const scope = scopeOf(options);
  const place = here(scope);
  const specifiers = scope === "system";
  const config = configFor(options, scope);
  const program = [process.execPath, fileURLToPath(new URL("../../../bin/hmpersist.js", import.meta.url))];
  const changed = write(place, unitText({ program, config, specifiers }));
  const reloaded = scope === "user" ? systemctlUser(["daemon-reload"], process.env) !== undefined : false;
  const mounts = readMountinfo();
  const losses = [...program, config, place.unit].flatMap((path) => {
    const loss = lossOf(path, homeOf(process.env), mounts);
    return loss === undefined ? [] : [{ path, loss }];
  });
  if (options.json === true) return printJson({ unit: place.unit, config, changed, reloaded, losses });
  say(`${changed ? "wrote" : "left as it is:"} ${place.unit}`);
  const inHome = losses.filter(({ loss }) => loss === "home");
  // A unit of one's own lies in the home anyway: what is right for a home on a disk is said once.
  const told = scope === "user" ? losses.filter((each) => !inHome.includes(each)) : losses;
  for (const { path, loss } of told) say(`warning: ${path} ${FATE[loss]}: ${wayOut(path, loss, place.unit, config)}`);
  if (scope === "user" && inHome.length > 0)
    say(`note: should this home get onto tmpfs, all of this must lie outside of it: ${inHome.map(({ path }) => path).join(", ")}`);
  if (scope === "user") say(reloaded ? `next: systemctl --user start ${UNIT}` : "it starts with the next login");
  else
    say(
      `each user whose ${config} exists gets it with the next login, or now by: systemctl --user daemon-reload; systemctl --user start ${UNIT}`,
    );
  say(`to have it at boot, before the first login: loginctl enable-linger${scope === "user" ? "" : " USER"}`);
}

export function uninstall(options: ServiceOptions): void {
  const scope = scopeOf(options);
  const place = here(scope);
  const installed = look(place).installed;
  const stopped = scope === "user" && installed ? systemctlUser(["stop", UNIT], process.env) : undefined;
  const removed = remove(place);
  if (scope === "user" && removed) systemctlUser(["daemon-reload"], process.env);
  if (options.json === true) return printJson({ unit: place.unit, removed, stopped: stopped?.ok ?? false });
  say(removed ? `removed ${place.unit}` : `${place.unit} is not there`);
  if (scope === "system" && removed) say(`services that run go on until: systemctl --user stop ${UNIT}`);
}

export function status(options: ServiceOptions): void {
  const scopes: Scope[] = options.user === true ? ["user"] : options.system === true ? ["system"] : ["user", "system"];
  const found = scopes.map((scope) => look(here(scope)));
  const active = systemctlUser(["is-active", UNIT], process.env)?.output ?? "unknown: no user manager answers";
  if (options.json === true)
    printJson({ units: found.map(({ place, ...state }) => ({ scope: place.scope, unit: place.unit, ...state })), active });
  else {
    for (const { place, installed, enabled } of found)
      say(`${place.unit}: ${installed ? (enabled ? "installed" : "installed, not enabled") : "not installed"}`);
    say(`state: ${active}`);
  }
  process.exitCode = active === "active" ? EXIT.done : EXIT.noDaemon;
}

function scopeOf(options: ServiceOptions): Scope {
  if (options.user === true && options.system === true) throw new HmpersistError("HMP_USAGE", "--user and --system exclude each other");
  return options.system === true ? "system" : "user";
}

// $XDG_CONFIG_HOME/hmpersist/config.json says where $XDG_CONFIG_HOME is.
const here = (scope: Scope) => placeOf(scope, dirname(dirname(locations(process.env).configFile)));

function configFor(options: ServiceOptions, scope: Scope): string {
  if (scope === "user") return options.config === undefined ? locations(process.env).configFile : absolute(options.config);
  const { config } = options;
  // ConditionPathExists knows no quotes and no escapes.
  if (config?.startsWith("/") === true && /%[uUh]/.test(config) && printable(config) === config) return config;
  throw new HmpersistError(
    "HMP_USAGE",
    "a unit for all users needs --config with an absolute path that holds %u, the user's name",
    "e.g. --config /persist/hmpersist/%u.json, outside of the homes it brings back",
  );
}

const FATE: Readonly<Record<Loss, string>> = {
  volatile: "is on a tmpfs and will be gone after a reboot",
  mount: "can be read only once hmpersist has mounted it",
  home: "lies in a home, and is gone after a reboot once that is on tmpfs",
  store: "goes with the next garbage collection if nothing else refers to it",
};

function wayOut(path: string, loss: Loss, unit: string, config: string): string {
  if (path === unit) return "install it with --system";
  if (path === config) return "keep it on persistent storage and pass --config";
  if (loss !== "store") return "install the program outside of all homes, on a disk";
  const [, , , name] = path.split("/");
  return `as root: ln -sfn ${word(`/nix/store/${name}`)} ${word(`/nix/var/nix/gcroots/hmpersist-${name?.replace(/^[^-]*-/, "")}`)}`;
}

const say = (line: string): void => void process.stdout.write(`${printable(line)}\n`);
