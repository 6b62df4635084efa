// Talking to the service manager, sd_notify(3): one datagram per message to $NOTIFY_SOCKET, from this very process, so that no
// NotifyAccess= is needed and no child runs. Without a manager every method does nothing. A message that cannot be delivered is
// dropped: whoever serves mounts must not end because its manager is being re-executed.
import { F_SETFD, FD_CLOEXEC } from "../sys/constants.ts";
import { raw } from "../sys/call.ts";
import { SysError } from "../sys/errno.ts";
import { libc } from "../sys/libc.ts";
import { sendDatagram } from "../sys/socket.ts";

export interface Notifier {
  /** All mounts answer (or are refused for good): units ordered after this one may start. Also ends `reloading`. */
  ready(status: string): void;
  /** A reload begins; `ready` ends it (Type=notify-reload of systemd 253 needs both). */
  reloading(): void;
  stopping(): void;
  /** What `ready` tells is on its way, but takes longer than the manager waits; said again within EXTEND_MS as long as it goes on. */
  extend(): void;
  /** The line `systemctl status` shows. */
  status(text: string): void;
  /** How often `watchdog` must be called, half of the manager's patience; undefined when it does not watch. */
  readonly watchdogIntervalMs: number | undefined;
  watchdog(): void;
  /**
   * Gives a duplicate of `fd` to the manager, which hands it to the next process of this service: over a crash, a restart and
   * a daemon-reexec, not over a stop. `name`: ASCII without ":" and control characters, at most 255 characters.
   */
  storeFd(name: string, fd: number): void;
  removeFd(name: string): void;
}

type Environment = Record<string, string | undefined>;

// The manager reads messages of at most PIPE_BUF bytes and drops longer ones whole.
const MAX_STATUS_BYTES = 1024;

/** How often `extend` is to be said at least. */
export const EXTEND_MS = 15_000;

/** Takes NOTIFY_SOCKET and the WATCHDOG variables out of `env`, so that no child inherits them and speaks for this service. */
export function createNotifier(env: Environment): Notifier {
  const socket = take(env, "NOTIFY_SOCKET");
  const usec = Number(take(env, "WATCHDOG_USEC"));
  const pid = take(env, "WATCHDOG_PID");
  const watched = socket !== undefined && usec > 0 && (pid === undefined || Number(pid) === process.pid);

  const send = (lines: readonly string[], fds: readonly number[] = []): void => {
    if (socket === undefined) return;
    try {
      sendDatagram(socket, Buffer.from(`${lines.join("\n")}\n`), fds);
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
    }
  };

  return {
    ready: (status) => send(["READY=1", statusLine(status)]),
    reloading: () => send(["RELOADING=1", `MONOTONIC_USEC=${monotonicUsec()}`]),
    stopping: () => send(["STOPPING=1"]),
    extend: () => send([`EXTEND_TIMEOUT_USEC=${2 * EXTEND_MS * 1000}`]),
    status: (text) => send([statusLine(text)]),
    watchdogIntervalMs: watched ? usec / 2000 : undefined,
    watchdog: () => send(["WATCHDOG=1"]),
    // FDPOLL=0: the manager must not drop a /dev/fuse descriptor because it polls as an error while nobody serves it.
    storeFd: (name, fd) => send(["FDSTORE=1", `FDNAME=${checkedName(name)}`, "FDPOLL=0"], [fd]),
    removeFd: (name) => send(["FDSTOREREMOVE=1", `FDNAME=${checkedName(name)}`]),
  };
}

/**
 * The descriptors the manager kept for this process, by name, close-on-exec from here on; sd_listen_fds(3). Takes the variables
 * out of `env`. Several descriptors may share a name: the manager keeps what it is given twice.
 */
export function takeListenFds(env: Environment): Map<string, number[]> {
  const pid = Number(take(env, "LISTEN_PID"));
  const count = Number(take(env, "LISTEN_FDS") ?? 0);
  const names = (take(env, "LISTEN_FDNAMES") ?? "").split(":");
  const found = new Map<string, number[]>();
  if (pid !== process.pid || !Number.isInteger(count)) return found;
  for (let index = 0; index < count; index += 1) {
    const fd = FIRST_LISTEN_FD + index;
    if (raw(libc.fcntl, fd, F_SETFD, FD_CLOEXEC) < 0) continue;
    const name = names[index] ?? "";
    found.set(name, [...(found.get(name) ?? []), fd]);
  }
  return found;
}

/** SD_LISTEN_FDS_START. */
const FIRST_LISTEN_FD = 3;

function take(env: Environment, name: string): string | undefined {
  const value = env[name];
  delete env[name];
  return value === "" ? undefined : value;
}

function statusLine(text: string): string {
  const line = Buffer.from(text.replace(/\s+/g, " "), "utf8").subarray(0, MAX_STATUS_BYTES).toString("utf8");
  return `STATUS=${line.replace(/\ufffd$/, "")}`;
}

// CLOCK_MONOTONIC, as the manager compares it with its own.
const monotonicUsec = (): bigint => process.hrtime.bigint() / 1000n;

function checkedName(name: string): string {
  if (!/^[ -9;-~]{1,255}$/.test(name)) throw new TypeError(`not a name for a stored descriptor: ${JSON.stringify(name)}`);
  return name;
}
