// Can other users read in storage what nobody but its owner can read in the home? A home is 0700 and hides everything in it; storage
// often is a directory under / that everybody may enter.
import { existsSync, lstatSync } from "node:fs";
import { ancestors, sourceOf } from "../config/place.ts";
import { word } from "../shell.ts";
import { about, type Check, type Finding } from "./check.ts";

// Relative to the home, or a name anywhere.
const PRIVATE =
  /(^|\/)(\.ssh|\.gnupg|\.password-store|\.pki|\.aws|\.azure|\.kube|\.docker|\.cert|\.netrc|\.electrum|\.mozilla|\.thunderbird|\.librewolf|keyrings|kwalletd|\.[a-z]*_history|\.config\/(gh|gcloud|rclone|sops|1Password|Bitwarden|Signal|google-chrome|chromium|BraveSoftware|vivaldi|evolution|goa-1\.0))(\/|$)/;

export const modes: Check = ({ config, silent }) => {
  const { ok, warning, skipped } = about("permissions");
  const sources = (config?.storages ?? [])
    .filter((storage) => !silent.includes(storage.persistentStoragePath))
    .flatMap((storage) => [
      ...storage.directories.map(({ directory }) => sourceOf(storage, directory)),
      ...storage.files.map(({ file }) => sourceOf(storage, file)),
    ]);
  const secret = sources.filter((path) => PRIVATE.test(path));
  if (secret.length === 0) return [skipped("no entry is known to hold secrets")];
  const findings = secret.flatMap((path): Finding[] => {
    const open = exposed(path);
    return open === undefined ? [] : [warning(`other users can read ${path} (mode 0${open.toString(8)})`, `chmod go-rwx ${word(path)}`)];
  });
  const there = secret.filter((path) => existsSync(path)).length;
  const made = secret.length - there;
  if (findings.length > 0) return findings;
  return [ok(`${there} entries that hold secrets can be read by you alone${made === 0 ? "" : `; ${made} do not exist yet`}`)];
};

/** The mode of `path` if others may read it and can come as far. */
function exposed(path: string): number | undefined {
  try {
    const { mode } = lstatSync(path);
    if ((mode & 0o044) === 0) return undefined;
    return ancestors(path).every((parent) => (lstatSync(parent).mode & 0o011) !== 0) ? mode & 0o777 : undefined;
  } catch {
    // Not there yet: it will be made 0700. Or hidden from us, and so from others of our kind.
    return undefined;
  }
}
