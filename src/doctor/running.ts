// What runs now: the daemon, the mounts it should hold, the engine and the cache modes.
import { locations } from "../config/locations.ts";
import { silentDaemon } from "../daemon/silent.ts";
import { probeMounts } from "../mount/probe.ts";
import { FSTYPE } from "../mount/options.ts";
import { probeEngines } from "../engine/probe.ts";
import { ENGINES } from "../engine/select.ts";
import { word } from "../shell.ts";
import { about, type Check, type Finding } from "./check.ts";

export const daemon: Check = ({ status, config, env }) => {
  const { ok, warning, problem, skipped } = about("daemon");
  const silent = status === undefined ? silentDaemon(locations(env).lockFile) : undefined;
  if (silent !== undefined) {
    const way = silent.stopped ? `kill -CONT ${silent.pid}` : "hmpersist status, again; or restart it";
    return [problem(`pid ${silent.pid} does not answer; the mounts go on without it`, way)];
  }
  if (status?.daemon == null) {
    return [
      config === undefined
        ? skipped("not running, and there is no configuration to run it with")
        : warning("not running: nothing is mounted, no link is mended", "hmpersist mount"),
    ];
  }
  const bad = status.entries.filter(({ healthy }) => !healthy);
  if (bad.length > 0 || status.refusals.length > 0) {
    return [
      warning(
        `pid ${status.daemon.pid}, but ${bad.length} of ${status.entries.length} entries are not as they should be`,
        "hmpersist status",
      ),
    ];
  }
  return [ok(`pid ${status.daemon.pid}, all ${status.entries.length} entries as they should be`)];
};

export const mounts: Check = async ({ mounts, home }) => {
  const { ok, problem } = about("mounts");
  const own = mounts
    .filter(({ type, mountpoint }) => type === FSTYPE && mountpoint.startsWith(`${home}/`))
    .map(({ mountpoint }) => mountpoint);
  const health = await probeMounts(own);
  const findings = own.flatMap((path): Finding[] => {
    const state = health.get(path);
    if (state === "dead")
      return [problem(`${path} is dead: its server is gone`, `hmpersist mount; or by hand: fusermount3 -uz ${word(path)}`)];
    if (state === "stuck")
      return [problem(`${path} does not answer`, "hmpersist apply --restart-server; its storage may be stuck as well")];
    return [];
  });
  return findings.length > 0 ? findings : [ok(own.length === 0 ? "none" : `all ${own.length} answer`)];
};

export const engine: Check = async ({ status, config }) => {
  const { ok, problem } = about("engine");
  const probes = await Promise.all(ENGINES.map((name) => probeEngines[name]()));
  const used = status?.entries.find((entry) => entry.engine !== null)?.engine;
  const choice = config?.engine ?? "auto";
  const told = probes.map(({ name, available, reason }) => `${name} ${available ? "available" : `not available (${reason})`}`).join(", ");
  const wanted = probes.find(({ name, available }) => available && (choice === "auto" || choice === name));
  if (wanted === undefined) return [problem(`none can run: ${told}`, choice === "auto" ? "see /dev/fuse above" : 'set "engine": "auto"')];
  const caches = new Map<string, number>();
  for (const { directories } of config?.storages ?? []) {
    for (const { method, cache } of directories) if (method === "fuse") caches.set(cache, (caches.get(cache) ?? 0) + 1);
  }
  const modes = [...caches].map(([cache, count]) => `${count} ${cache}`).join(", ");
  return [
    ok(
      `${used ?? wanted.name} ${used === undefined || used === null ? "would serve" : "serves"}; ${told}${modes === "" ? "" : `; cache: ${modes}`}`,
    ),
  ];
};
