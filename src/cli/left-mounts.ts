// Mounts without a daemon: those of this user that the last daemon listed or that lie in the home. Only the mount table is read: one that
// nobody serves would hang whoever looks into it.
import { homeOf, locations } from "../config/locations.ts";
import { isWithin } from "../config/place.ts";
import { realHome } from "../config/real-path.ts";
import { listedMounts } from "../daemon/mount-list.ts";
import { FSTYPE } from "../mount/options.ts";
import { readMountinfo, type MountInfo } from "../sys/mountinfo.ts";

export function leftMounts(): MountInfo[] {
  const owner = `user_id=${process.getuid?.() ?? 0}`;
  const own = readMountinfo().filter((mount) => mount.type === FSTYPE && mount.superOptions.includes(owner));
  const listed = new Set(listedMounts(locations(process.env).mountList));
  const home = realHome(homeOf(process.env));
  return own.filter(({ mountpoint }) => listed.has(mountpoint) || isWithin(mountpoint, home));
}
