// Which storages are not there although their path is: bare mountpoints, by fstab and by memory.
import { expect, test } from "vitest";
import { fingerprint, Storages } from "../../../src/daemon/storages.ts";
import { parseFstab } from "../../../src/sys/fstab.ts";

const table = (...mountpoints: readonly string[]): { id: number; mountpoint: string }[] =>
  mountpoints.map((mountpoint, id) => ({ id: id + 1, mountpoint }));

const FSTAB = `# <file system> <mount point>   <type>
UUID=1  /            ext4 errors=remount-ro 0 1
UUID=2\t/persist/    ext4 defaults 0 2
UUID=3  /my\\040disk  btrfs subvol=@,noauto
UUID=4  none         swap sw 0 0
/swap   swap         swap sw
  #UUID=5 /old ext4 defaults

broken
`;

test("fstab names its mountpoints, without the root, swap and comments", () => {
  expect(parseFstab(FSTAB)).toEqual(["/persist", "/my disk"]);
});

test("a storage at or below a mountpoint of fstab on which nothing is mounted is not there", () => {
  const storages = new Storages(() => parseFstab(FSTAB));
  const wanted = ["/persist", "/persist/home/jane", "/my disk/x", "/persistent", "/srv"];
  expect(storages.unmounted(wanted, table("/", "/my disk"))).toEqual(
    new Map([
      ["/persist", "/persist"],
      ["/persist/home/jane", "/persist"],
    ]),
  );
  expect(storages.unmounted(wanted, table("/", "/persist", "/my disk"))).toEqual(new Map());
});

test("a mountpoint reached through a symbolic link is not judged, for the mount table calls it otherwise", () => {
  const storages = new Storages(
    () => ["/data/disk"],
    (path) => path === "/data",
  );
  expect(storages.unmounted(["/data/disk/s"], table("/", "/srv/disk"))).toEqual(new Map());
  // Below a mount nothing is looked at.
  const below = new Storages(
    () => ["/net/a/b"],
    (path) => path === "/net/a/b",
  );
  expect(below.unmounted(["/net/a/b"], table("/", "/net/a"))).toEqual(new Map([["/net/a/b", "/net/a/b"]]));
});

test("a storage is not there when what it was used on is gone; a mount on top, or a move to the root, is another matter", () => {
  const storages = new Storages(() => []);
  expect(storages.unmounted(["/d/s"], table("/"))).toEqual(new Map());
  storages.used("/d/s", table("/", "/d"));
  expect(storages.unmounted(["/d/s"], table("/"))).toEqual(new Map([["/d/s", "/d"]]));
  expect(storages.unmounted(["/d/s"], table("/", "/d", "/d/s"))).toEqual(new Map());
  storages.used("/other", table("/", "/d"));
  expect(storages.unmounted(["/other"], table("/"))).toEqual(new Map());
});

test("the fingerprint changes with the mount that a storage is on, and with no other", () => {
  const before = fingerprint(["/d/s"], table("/", "/d"));
  expect(fingerprint(["/d/s"], [...table("/", "/d"), { id: 9, mountpoint: "/home" }])).toBe(before);
  expect(fingerprint(["/d/s"], table("/"))).not.toBe(before);
  expect(fingerprint(["/d/s"], [...table("/", "/d"), { id: 9, mountpoint: "/d" }])).not.toBe(before);
  expect(fingerprint(["/d/s"], [...table("/", "/d"), { id: 9, mountpoint: "/d/s" }])).not.toBe(before);
});
