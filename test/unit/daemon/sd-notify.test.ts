// The service manager's side is a real datagram socket with a name; what arrives is compared word for word with sd_notify(3).
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import koffi from "koffi";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createNotifier, takeListenFds } from "../../../src/daemon/sd-notify.ts";
import { receiveFds } from "../../../src/sys/socket.ts";

const libc = koffi.load(null);
const socket = libc.func("int socket(int, int, int)") as (domain: number, type: number, protocol: number) => number;
const bind = libc.func("int bind(int, uint8_t*, uint32_t)") as (fd: number, address: Buffer, length: number) => number;

let dir: string;
let path: string;
let manager: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hmp-notify-"));
  path = join(dir, "socket");
  manager = socket(1, 2, 0);
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(path)]);
  expect(bind(manager, address, address.length)).toBe(0);
});

afterEach(() => {
  closeSync(manager);
  rmSync(dir, { recursive: true });
});

const receive = () => receiveFds(manager, 4096, 4, false);
const lines = () => receive()?.data.toString("utf8");

describe("createNotifier", () => {
  it("sends what sd_notify(3) describes, one datagram a message", () => {
    const notify = createNotifier({ NOTIFY_SOCKET: path });
    const before = process.hrtime.bigint() / 1000n;
    notify.ready("22 mounts,\n59 links");
    notify.reloading();
    notify.status("1 of 22 is refused");
    notify.watchdog();
    notify.extend();
    notify.stopping();
    expect(lines()).toBe("READY=1\nSTATUS=22 mounts, 59 links\n");
    const [reloading, monotonic] = (lines() ?? "").split("\n");
    expect(reloading).toBe("RELOADING=1");
    expect(BigInt((monotonic ?? "").replace("MONOTONIC_USEC=", ""))).toBeGreaterThanOrEqual(before);
    expect(lines()).toBe("STATUS=1 of 22 is refused\n");
    expect(lines()).toBe("WATCHDOG=1\n");
    expect(lines()).toBe("EXTEND_TIMEOUT_USEC=30000000\n");
    expect(lines()).toBe("STOPPING=1\n");
    expect(receive()).toBeUndefined();
  });

  it("hands a descriptor over with its name", () => {
    const notify = createNotifier({ NOTIFY_SOCKET: path });
    const file = openSync(dir, "r");
    notify.storeFd("mount-1", file);
    const got = receive();
    expect(got?.data.toString()).toBe("FDSTORE=1\nFDNAME=mount-1\nFDPOLL=0\n");
    expect(got?.fds).toHaveLength(1);
    const [fd] = got?.fds ?? [];
    expect(fstatSync(fd ?? -1).ino).toBe(fstatSync(file).ino);
    closeSync(fd ?? -1);
    closeSync(file);
    notify.removeFd("mount-1");
    expect(lines()).toBe("FDSTOREREMOVE=1\nFDNAME=mount-1\n");
  });

  it.each(["", "a:b", "a\nb", "\u00e9", "x".repeat(256)])("refuses %j as the name of a stored descriptor", (name) => {
    expect(() => createNotifier({ NOTIFY_SOCKET: path }).storeFd(name, 0)).toThrow(TypeError);
  });

  it("cuts a status that the manager would drop", () => {
    createNotifier({ NOTIFY_SOCKET: path }).status("\u00e9".repeat(4000));
    const text = lines() ?? "";
    expect(Buffer.byteLength(text)).toBeLessThan(1100);
    expect(text).toMatch(/^STATUS=\u00e9+\n$/);
  });

  it("takes its variables out of the environment, so that no child speaks for the service", () => {
    const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "30000000", WATCHDOG_PID: String(process.pid), PATH: "/bin" };
    expect(createNotifier(env).watchdogIntervalMs).toBe(15_000);
    expect(env).toEqual({ PATH: "/bin" });
  });

  it.each([
    ["meant for another process", { WATCHDOG_USEC: "1000000", WATCHDOG_PID: "1" }],
    ["off", {}],
    ["nonsense", { WATCHDOG_USEC: "soon" }],
  ])("has no watchdog interval when the watchdog is %s", (_, env) => {
    expect(createNotifier({ NOTIFY_SOCKET: path, ...env }).watchdogIntervalMs).toBeUndefined();
  });

  it("does nothing without a manager, and survives one that is gone", () => {
    createNotifier({}).ready("alone");
    createNotifier({ NOTIFY_SOCKET: join(dir, "gone") }).ready("nobody listens");
    expect(receive()).toBeUndefined();
  });
});

describe("takeListenFds", () => {
  it("finds nothing that is meant for another process, and clears the variables", () => {
    const env = { LISTEN_PID: "1", LISTEN_FDS: "1", LISTEN_FDNAMES: "mount-1", HOME: "/" };
    expect(takeListenFds(env).size).toBe(0);
    expect(env).toEqual({ HOME: "/" });
  });

  it("groups the descriptors by name and makes them close-on-exec", () => {
    const code = `
      import { takeListenFds } from ${JSON.stringify(new URL("../../../dist/daemon/sd-notify.js", import.meta.url).href)};
      import { readFileSync } from "node:fs";
      const fds = takeListenFds({ LISTEN_PID: String(process.pid), LISTEN_FDS: "3", LISTEN_FDNAMES: "a:b:a" });
      const flags = [...fds.values()].flat().map((fd) => Number.parseInt(/flags:\\s*(\\d+)/.exec(readFileSync("/proc/self/fdinfo/" + fd, "utf8"))[1], 8));
      console.log(JSON.stringify([[...fds], flags.every((f) => (f & 0o2000000) !== 0)]));`;
    const out = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
      stdio: ["ignore", "pipe", "inherit", "pipe", "pipe", "pipe"],
      encoding: "utf8",
    });
    expect(JSON.parse(out.stdout)).toEqual([
      [
        ["a", [3, 5]],
        ["b", [4]],
      ],
      true,
    ]);
  });
});
