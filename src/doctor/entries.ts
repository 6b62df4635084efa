// Entries that are known to be unhappy the way they are kept.
import { isWithin, relativeTo, targetOf } from "../config/place.ts";
import { about, type Check, type Finding } from "./check.ts";

const UNHAPPY = [
  { path: ".local/share/containers", what: "Podman's overlay storage does not work on FUSE" },
  { path: ".local/share/docker", what: "rootless Docker's overlay storage does not work on FUSE" },
  { path: ".local/share/waydroid", what: "Waydroid mounts inside of it" },
] as const;

export const entries: Check = ({ config, home }) => {
  const { ok, warning, skipped } = about("entries");
  if (config === undefined || config.storages.length === 0) return [skipped("there are none")];
  const findings = config.storages.flatMap((storage) =>
    storage.directories.flatMap(({ directory, method, option }): Finding[] => {
      if (method !== "fuse") return [];
      const target = targetOf(home, storage, directory);
      const relative = relativeTo(home, target);
      const unhappy = UNHAPPY.filter(({ path }) => isWithin(relative, path) || isWithin(path, relative));
      const own = isWithin(".config/systemd/user", relative)
        ? [
            warning(
              `${option}: user units below ~/${relative} cannot be read before it is mounted`,
              "list the directories below it that you need",
            ),
          ]
        : [];
      return [
        ...unhappy.map(({ path, what }) => warning(`${option}: ${what}`, `list ~/${path} by itself with "method": "symlink"`)),
        ...own,
      ];
    }),
  );
  findings.push(...config.notes.map((note) => warning(note)));
  const count = config.storages.reduce((sum, { directories, files }) => sum + directories.length + files.length, 0);
  return findings.length > 0 ? findings : [ok(`${count}, none of a kind known to suffer`)];
};
