// Is the configuration still there after a reboot, before anything is mounted? A file in a home on tmpfs is not, and neither is one
// below a mount that hmpersist itself makes.
import { lstatSync } from "node:fs";
import { filesystemOf, VOLATILE } from "../mount/filesystem.ts";
import { FSTYPE } from "../mount/options.ts";
import { word } from "../shell.ts";
import { about, type Check } from "./check.ts";

export const configPlace: Check = ({ configFile, mounts, config }) => {
  const { ok, warning, problem, skipped } = about("configuration");
  if (configFile === undefined) return [skipped("there is no file to look at")];
  const mount = filesystemOf(configFile, mounts);
  const storage = config?.storages[0]?.persistentStoragePath ?? "/path/to/storage";
  const better = word(`${storage}/hmpersist.json`);
  const fix = `mv ${word(configFile)} ${better}, and start with --config (hmpersist service install --config ${better})`;
  if (mount?.type === FSTYPE) return [problem(`${configFile} can be read only once hmpersist has mounted it`, fix)];
  if (!VOLATILE.has(mount?.type ?? "")) return [ok(`${configFile} is on ${mount?.type ?? "a disk"}`)];
  if (lstatSync(configFile).isSymbolicLink()) {
    return [warning(`${configFile} is a link on a ${mount?.type}: something has to make it again at boot, before hmpersist starts`, fix)];
  }
  return [problem(`${configFile} is on a ${mount?.type} and gone after a reboot`, fix)];
};
