// A directory served through an engine by a process of its own, for the length of a test. Cleanup never depends on the server: a mount
// that hangs is aborted through /sys/fs/fuse/connections, its server killed by pid, the mount detached.
import { spawn, execFile, execFileSync, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { CacheMode } from "../../src/config/config.ts";
import { readMountinfo } from "../../src/sys/mountinfo.ts";
import { abortConnection } from "./connections.ts";
import { deadline, kernelStacks, until } from "./deadline.ts";
import { programPath } from "./program.ts";
import type { ServeOrder } from "./serve.ts";
import { tempDirectory } from "./temp.ts";

export interface MountOptions {
  /** "bindfs" is the program people use today, for comparison. */
  readonly engine: "kernel" | "fuse-native" | "bindfs";
  readonly source: string;
  readonly cache?: CacheMode;
  readonly allowOther?: boolean;
  /** Serve as this user, mounting through fusermount3; default: as the caller (root: by mount(2)). */
  readonly uid?: number;
  readonly trace?: boolean;
  /** Descriptors the server may have (RLIMIT_NOFILE); default: as many as the caller. */
  readonly nofile?: number;
  /** False: no FUSE_PASSTHROUGH, even if the server's user may. */
  readonly passthrough?: false;
  /** For the server's node, e.g. "--cpu-prof". */
  readonly nodeFlags?: readonly string[];
}

export interface Mounted {
  readonly mountpoint: string;
  /** The process that serves. */
  readonly pid: number;
  /** Settles when the server ended, with its exit code or signal. */
  readonly ended: Promise<number | string>;
  /** What the server wrote to stderr. */
  readonly log: () => string;
  readonly stacks: () => string;
  /** Sends the server a signal. */
  readonly signal: (name: NodeJS.Signals) => void;
  /** Breaks the connection: every call on the mount fails with ENOTCONN, nothing hangs any more. */
  readonly abort: () => void;
  /** Unmounts and waits until the server ended. EBUSY is an error. */
  readonly unmount: () => Promise<void>;
  /** For a finally: whatever state things are in, afterwards nothing is left. */
  readonly dispose: () => Promise<void>;
}

const READY_MS = 30_000;
/** Who keeps an unmounted filesystem alive: processes in other mount namespaces, which copied it. */
function heldElsewhere(mountpoint: string): string {
  const holders = readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/mountinfo`, "utf8").includes(` ${mountpoint} `);
    } catch {
      return false; // it has ended
    }
  });
  return holders.length === 0 ? "" : `-- still mounted for the processes ${holders.join(", ")}\n`;
}

const END_MS = 30_000;

/** The minor device number of the topmost mount on `mountpoint`, which names its directory in /sys/fs/fuse/connections. */
const minorOf = (mountpoint: string): string | undefined =>
  readMountinfo()
    .filter((mount) => mount.mountpoint === mountpoint)
    .at(-1)
    ?.device.split(":")[1];

function start(options: MountOptions, mountpoint: string): ChildProcess {
  const identity = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
  if (options.engine === "bindfs") {
    const flags = options.allowOther === true ? ["-o", "allow_other"] : ["--no-allow-other"];
    return spawn("bindfs", ["-f", ...flags, options.source, mountpoint], { stdio: ["ignore", "pipe", "pipe"], ...identity });
  }
  const { engine, source, cache = "shared", allowOther = false, trace = false } = options;
  const order: ServeOrder = { engine, cache, allowOther, trace, mounts: [{ source, mountpoint }] };
  const args = [process.execPath, ...(options.nodeFlags ?? []), programPath("helpers/serve", options.uid), JSON.stringify(order)];
  const limit = options.nofile === undefined ? "" : `ulimit -n ${options.nofile} && `;
  const env = options.passthrough === false ? { ...process.env, HMPERSIST_PASSTHROUGH: "0" } : process.env;
  return spawn("sh", ["-c", `${limit}exec "$@"`, "sh", ...args], { stdio: ["ignore", "pipe", "pipe"], env, ...identity });
}

/** Mounts `source` on a new directory and waits until it is served. The caller disposes of it. */
export async function startMount(options: MountOptions): Promise<Mounted> {
  const base = tempDirectory("mount", options.uid === undefined ? {} : { uid: options.uid });
  const mountpoint = join(base, "mnt");
  mkdirSync(mountpoint);
  if (options.uid !== undefined) execFileSync("chown", [String(options.uid), mountpoint]);
  const child = start(options, mountpoint);
  const { pid } = child;
  let log = "";
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (log += chunk.toString()));
  let ended: number | string | undefined;
  const end = new Promise<number | string>((resolve) => {
    child.on("error", (error) => resolve(String(error)));
    child.on("exit", (code, signal) => resolve((ended = code ?? signal ?? "?")));
  });
  if (pid === undefined) throw new Error(`cannot start ${options.engine}: ${await end}`);
  const mounted: Mounted = {
    mountpoint,
    pid,
    ended: end,
    log: () => log,
    stacks: () => `${kernelStacks(pid)}\n-- log\n${log}`,
    signal: (name) => void child.kill(name),
    abort: () => {
      const minor = minorOf(mountpoint);
      if (minor !== undefined) abortConnection(minor);
    },
    unmount: async () => {
      await deadline(`umount ${mountpoint}`, END_MS, umount(mountpoint), mounted.stacks);
      await deadline(`end of the server of ${mountpoint}`, END_MS, end, () => `${heldElsewhere(mountpoint)}${mounted.stacks()}`);
    },
    dispose: async () => {
      while (minorOf(mountpoint) !== undefined) {
        mounted.abort();
        execFileSync("umount", ["-i", "-l", "-c", mountpoint]);
      }
      if (ended === undefined) child.kill("SIGKILL");
      await deadline(`death of ${pid}`, END_MS, end, mounted.stacks);
      rmdirSync(mountpoint);
      rmdirSync(base);
    },
  };
  try {
    await until(
      `${options.engine} to mount ${mountpoint}`,
      READY_MS,
      () => ended !== undefined || (options.engine === "bindfs" ? minorOf(mountpoint) !== undefined : output.includes("READY")),
      mounted.stacks,
    );
    if (ended !== undefined) throw new Error(`${options.engine} ended with ${ended}: ${log}`);
    return mounted;
  } catch (error) {
    await mounted.dispose();
    throw error;
  }
}

// A process of its own: the system call may wait for the server (dirty pages), and a wait must not block the test's deadlines.
const umount = (mountpoint: string): Promise<void> =>
  new Promise((resolve, reject) => {
    execFile("umount", ["-i", "-c", mountpoint], (error, _stdout, stderr) => (error === null ? resolve() : reject(new Error(stderr))));
  });

/** Runs `body` on a mount of `options.source` and takes everything down again; an unmount that fails fails the test. */
export async function withMount<T>(options: MountOptions, body: (mountpoint: string, mounted: Mounted) => Promise<T>): Promise<T> {
  const mounted = await startMount(options);
  try {
    const result = await body(mounted.mountpoint, mounted);
    await mounted.unmount();
    return result;
  } finally {
    await mounted.dispose();
  }
}
