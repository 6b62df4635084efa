// The unit file's words: what a path may hold must reach the program unchanged.
import { describe, expect, it } from "vitest";
import { lossOf, placeOf } from "../../../src/service/place.ts";
import { unitText } from "../../../src/service/unit.ts";
import { parseMountinfo } from "../../../src/sys/mountinfo.ts";

const program = ["/usr/bin/node", "/opt/hmpersist/bin/hmpersist.js"];
const line = (text: string, key: string): string | undefined =>
  text
    .split("\n")
    .find((one) => one.startsWith(`${key}=`))
    ?.slice(key.length + 1);

describe("unitText", () => {
  it("runs the program with the configuration", () => {
    const text = unitText({ program, config: "/p/config.json" });
    expect(line(text, "ExecStart")).toBe("/usr/bin/node /opt/hmpersist/bin/hmpersist.js mount --foreground --config /p/config.json");
    expect(line(text, "ExecStopPost")).toMatch(/^-\/usr\/bin\/node .* unmount --leftovers$/);
    expect(line(text, "ConditionPathExists")).toBeUndefined();
  });

  it.each([
    ["/a b/c.json", '"/a b/c.json"'],
    ["/50%/c.json", "/50%%/c.json"],
    ["/$HOME/c.json", "/$$HOME/c.json"],
    ['/"x"\\y', '"/\\"x\\"\\\\y"'],
    ["/d\u00e9j\u00e0", '"/d\u00e9j\u00e0"'],
  ])("escapes %s", (config, word) => {
    expect(line(unitText({ program, config }), "ExecStart")?.endsWith(` --config ${word}`)).toBe(true);
  });

  it("leaves specifiers to systemd in a unit for all users, and does nothing without their file", () => {
    const text = unitText({ program, config: "/p/%u.json", specifiers: true });
    expect(line(text, "ExecStart")).toMatch(/ --config \/p\/%u\.json$/);
    expect(line(text, "ConditionPathExists")).toBe("/p/%u.json");
  });

  it("leaves a path for all users one word, whatever it holds", () => {
    const text = unitText({ program, config: '/p q/%u"$.json', specifiers: true });
    expect(line(text, "ExecStart")).toMatch(/ --config "\/p q\/%u\\"\$\$\.json"$/);
    expect(line(text, "ConditionPathExists")).toBe('/p q/%u"$.json');
  });

  it("says nothing that would take the set-uid bit off fusermount3", () => {
    const text = unitText({ program, config: "/p" });
    expect(text).not.toMatch(/NoNewPrivileges|Restrict|Private|Protect|SystemCall|CapabilityBounding|MemoryDeny/);
  });
});

describe("lossOf", () => {
  const mounts = parseMountinfo(
    [
      "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
      "2 1 0:30 / /home/jane rw - tmpfs tmpfs rw",
      "3 2 0:31 / /home/jane/.config rw - fuse.hmpersist /p/.config rw",
    ].join("\n"),
  );

  it.each([
    ["/usr/bin/node", undefined],
    ["/persist/%u.json", undefined],
    ["/home/jane/x", "volatile"],
    ["/home/jane", "volatile"],
    ["/home/janet/x", "home"],
    ["/home/%u/x.json", "home"],
    ["%h/x.json", "home"],
    ["/root/.nvm/node", "home"],
    ["/srv/joe/x", "home"],
    ["/srv/joes", undefined],
    ["/home/jane/.config/systemd/user/x", "mount"],
    ["/nix/store/abc-node/bin/node", "store"],
  ])("%s: %s", (path, loss) => expect(lossOf(path, "/srv/joe", mounts)).toBe(loss));
});

it("units lie in the user's configuration or in /etc", () => {
  expect(placeOf("user", "/home/jane/.config")).toMatchObject({
    unit: "/home/jane/.config/systemd/user/hmpersist.service",
    link: "/home/jane/.config/systemd/user/paths.target.wants/hmpersist.service",
  });
  expect(placeOf("system", "/x").unit).toBe("/etc/systemd/user/hmpersist.service");
});
