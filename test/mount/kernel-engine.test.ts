// The kernel engine on real mounts, made here by mount(2) and served by a process of its own that can be killed: the descriptors and the
// memory of its tables stay here, as they stay with the daemon. Every look at a mount is by a further process, with a deadline.
import { execFile, spawn, execFileSync, type ChildProcess, type ChildProcessWithoutNullStreams } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CacheMode } from "../../src/config/config.ts";
import type { ServeSpec, ServeStats } from "../../src/engine/engine.ts";
import { call } from "../../src/sys/call.ts";
import { MFD_CLOEXEC, MNT_DETACH } from "../../src/sys/constants.ts";
import { libc } from "../../src/sys/libc.ts";
import { mount, umount2 } from "../../src/sys/mount.ts";
import { readMountinfo } from "../../src/sys/mountinfo.ts";
import { cstr } from "../../src/sys/name.ts";
import { abortConnection } from "../helpers/connections.ts";
import { deadline, kernelStacks, until } from "../helpers/deadline.ts";
import { removeTree, SHM, tempDirectory } from "../helpers/temp.ts";

const SERVER = fileURLToPath(new URL("../fixtures/serve-kernel.mjs", import.meta.url));
const root = process.getuid?.() === 0 && existsSync("/dev/fuse");
if (!root) process.stdout.write("test/mount/kernel-engine: skipped: needs root and /dev/fuse\n");
const runs = test.skipIf(!root);

interface Options {
  readonly cache?: CacheMode;
  readonly trace?: boolean;
  readonly source?: string;
  /** How long the server looks for the next request before it sleeps. */
  readonly spinUs?: number;
}

/** One mount, and the process that serves it now. */
class Served {
  readonly source: string;
  readonly mountpoint: string;
  readonly device = openSync("/dev/fuse", "r+");
  readonly state = call("memfd_create", undefined, libc.memfd_create, cstr("tables"), MFD_CLOEXEC);
  readonly #options: Options;
  child: ChildProcessWithoutNullStreams | undefined;
  log = "";
  readonly messages: Record<string, unknown>[] = [];

  constructor(base: string, name: string, options: Options) {
    this.#options = options;
    this.source = options.source ?? join(base, `${name}-source`);
    this.mountpoint = join(base, `${name}-mnt`);
    mkdirSync(this.source, { recursive: true });
    mkdirSync(this.mountpoint);
    const data = `fd=${this.device},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other`;
    mount(this.source, this.mountpoint, "fuse.hmpersist", 6, data);
  }

  /** `others` are served by the same process, each a storage of its own. */
  async start(resume = false, others: readonly Served[] = []): Promise<void> {
    const mounts = [this, ...others];
    const list = JSON.stringify(mounts.map((each, i) => ({ spec: each.spec, device: 3 + 2 * i, state: 4 + 2 * i, resume })));
    this.messages.length = 0;
    const child = spawn(process.execPath, [SERVER, list], {
      stdio: ["pipe", "pipe", "pipe", ...mounts.flatMap((each) => [each.device, each.state])],
      env: { ...process.env, ...(this.#options.spinUs === undefined ? {} : { HMPERSIST_SPIN_US: String(this.#options.spinUs) }) },
    }) as ChildProcessWithoutNullStreams;
    this.child = child;
    createInterface({ input: child.stdout }).on("line", (line) => this.messages.push(JSON.parse(line) as Record<string, unknown>));
    child.stderr.on("data", (chunk: Buffer) => (this.log += chunk.toString()));
    await this.hears("serving");
  }

  get spec(): ServeSpec {
    const { source, mountpoint } = this;
    return {
      mountpoint,
      source,
      storage: source,
      cache: this.#options.cache ?? "shared",
      allowOther: true,
      trace: this.#options.trace ?? false,
    };
  }

  hears(key: string): Promise<Record<string, unknown>> {
    const find = (): Record<string, unknown> | undefined => this.messages.find((message) => key in message);
    return until(
      `"${key}" of ${this.mountpoint}`,
      20_000,
      () => find() ?? false,
      () => this.stacks(),
    ) as Promise<Record<string, unknown>>;
  }

  stacks(): string {
    return `${kernelStacks(this.child?.pid ?? 0)}\n${this.log}`;
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await deadline("death of the server", 20_000, gone);
  }

  /** Its name in /sys/fs/fuse/connections while it is mounted. */
  get minor(): string | undefined {
    return readMountinfo()
      .find((info) => info.mountpoint === this.mountpoint)
      ?.device.split(":")[1];
  }

  async dispose(): Promise<void> {
    if (this.minor !== undefined) umount2(this.mountpoint, MNT_DETACH);
    await this.kill();
    closeSync(this.device);
    closeSync(this.state);
  }
}

/** Runs `body` on a storage that bindfs serves, and that stands still after `stop`. */
async function onBindfs(body: (storage: string, below: string, bindfs: ChildProcess) => Promise<void>): Promise<void> {
  const [storage, below] = [join(base, "slow"), join(base, "below")];
  for (const directory of [storage, below]) mkdirSync(directory);
  const bindfs = spawn("bindfs", ["-f", below, storage], { stdio: "ignore" });
  try {
    await until("bindfs", 20_000, () => readMountinfo().some((info) => info.mountpoint === storage));
    await body(storage, below, bindfs);
  } finally {
    bindfs.kill("SIGCONT");
    for (const served of all.splice(0)) await served.dispose();
    if (readMountinfo().some((info) => info.mountpoint === storage)) umount2(storage, MNT_DETACH);
    bindfs.kill("SIGKILL");
  }
}

/** Runs a shell script in `directory`, in a process of its own; its output. */
function shell(directory: string, script: string, ms = 30_000): Promise<string> {
  const done = new Promise<string>((resolve, reject) => {
    execFile("sh", ["-euc", `cd "$0"; ${script}`, directory], { timeout: ms, killSignal: "SIGKILL" }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${script}: ${error.message} ${stderr}`)),
    );
  });
  return deadline(script, ms + 5000, done);
}

let base: string;
const all: Served[] = [];
async function serve(name: string, options: Options = {}): Promise<Served> {
  const served = new Served(base, name, options);
  all.push(served);
  await served.start();
  return served;
}

beforeEach(() => {
  base = tempDirectory("kernel", { base: SHM });
});
afterEach(async () => {
  for (const served of all.splice(0)) await served.dispose();
  removeTree(base);
});

for (const cache of ["shared", "exclusive"] as const) {
  runs(`${cache}: files, directories, links and renames arrive in the storage, and unmounting ends the server's part`, async () => {
    const served = await serve("a", { cache });
    await shell(
      served.mountpoint,
      "mkdir d; echo one > d/f; ln d/f hard; ln -s d/f soft; mv d e; echo two >> e/f; cat soft || true; cat hard",
    );
    expect(await shell(served.mountpoint, "cat hard; stat -c %h hard; readlink soft; ls")).toBe("one\ntwo\n2\nd/f\ne\nhard\nsoft\n");
    umount2(served.mountpoint, 0);
    expect(await served.hears("ended")).toEqual({ ended: [null] });
    expect(readFileSync(join(served.source, "e/f"), "utf8")).toBe("one\ntwo\n");
    expect(readdirSync(served.source).sort()).toEqual(["e", "hard", "soft"]);
    expect(served.log).toBe("");
  });
}

runs("trace prints a line for every request and reply", async () => {
  const served = await serve("a", { trace: true });
  await shell(served.mountpoint, "echo x > file; cat file");
  expect(served.log).toMatch(/rx \d+: INIT n0 \{major=7 minor=\d+ /);
  expect(served.log).toMatch(/rx (\d+): CREATE n1 \{flags=0x\w+ mode=0100\d+ .*\} "file" by 0:0 pid \d+\ntx \1: OK n2 g1 fh=1\n/);
});

runs("shared: what changes behind the mount's back is seen within the timeout, in open files too", async () => {
  const served = await serve("a");
  writeFileSync(join(served.source, "file"), "old");
  writeFileSync(join(served.source, "gone"), "old");
  const reading = shell(
    served.mountpoint,
    "exec 3< file; head -c 3 <&3; cat file gone > ../seen; sleep 3; cat /proc/self/fd/3; cat file; ls",
  );
  await until("the first look", 20_000, () => existsSync(join(base, "seen")) && readFileSync(join(base, "seen"), "utf8") === "oldold");
  writeFileSync(join(served.source, "file"), "newer content");
  renameSync(join(served.source, "gone"), join(served.source, "moved"));
  expect(await reading).toBe("oldnewer contentnewer contentfile\nmoved\n");
});

runs(
  "a server that is killed is followed by another: the same files, open handles and working directory, nothing for the callers to notice",
  async () => {
    const served = await serve("a");
    const script =
      "mkdir sub; cd sub; echo one > file; exec 3>> file; exec 4< file; touch ../ready; until [ -e ../go ]; do sleep 0.05; done; echo two >&3; cat <&4; stat -c %i file; pwd -P > /dev/null; mkdir deeper; ls";
    const working = shell(served.mountpoint, script);
    await until(
      "the caller",
      20_000,
      () => existsSync(join(served.source, "ready")),
      () => served.stacks(),
    );
    const before = execFileSync("stat", ["-c", "%i", join(served.source, "sub/file")], { encoding: "utf8" });
    for (let round = 0; round < 3; round += 1) {
      await served.kill();
      await served.start(true);
    }
    writeFileSync(join(served.source, "go"), "");
    expect(await working).toBe(`one\ntwo\n${before}deeper\nfile\n`);
  },
);

runs("requests that wait while no server lives are answered by its successor", async () => {
  const served = await serve("a");
  await shell(served.mountpoint, "echo one > file");
  await served.kill();
  const waiting = shell(served.mountpoint, "echo two > second; cat file");
  await served.start(true);
  expect(await waiting).toBe("one\n");
  expect(readFileSync(join(served.source, "second"), "utf8")).toBe("two\n");
});

runs("root serves others as themselves: owner, group, umask and set-group-id of what they create", async () => {
  const served = await serve("a");
  execFileSync("chmod", ["0777", served.source]);
  execFileSync("sh", ["-c", "mkdir team; chgrp 4242 team; chmod 2777 team"], { cwd: served.source });
  const as = (script: string): Promise<string> =>
    shell(served.mountpoint, `setpriv --reuid=4711 --regid=4712 --groups=4242,4300 sh -c '${script}'`);
  expect(await as("umask 027; mkdir d; echo x > d/f; ln -s f d/l; stat -c %u:%g:%a d d/f; stat -c %u d/l")).toBe(
    "4711:4712:750\n4711:4712:640\n4711\n",
  );
  expect(await as("umask 002; echo x > team/f; mkdir team/d; stat -c %u:%g:%a team/f team/d")).toBe("4711:4242:664\n4711:4242:2775\n");
});

runs("root serves others as themselves: what an access control list lets one of their groups make, they make", async () => {
  const served = await serve("a");
  execFileSync("chmod", ["0755", served.source]);
  execFileSync("sh", ["-c", "mkdir team; chmod 0750 team; setfacl -m g:4242:rwx team"], { cwd: served.source });
  const as = (groups: string, script: string): Promise<string> =>
    shell(served.mountpoint, `cd team; setpriv --reuid=4711 --regid=4712 --groups=${groups} sh -euc '${script}'`);
  const made = "echo x > file; mkdir directory; ln -s to symlink; mkfifo fifo; mv symlink moved; ls";
  expect(await as("4300,4242", `${made}; stat -c %u:%g file fifo`)).toBe("directory\nfifo\nfile\nmoved\n4711:4712\n4711:4712\n");
  await expect(as("4300", "echo x > other")).rejects.toThrow(/denied/);
});

runs("a storage that is stopped dead stalls its own mount only, and everything completes when it comes back", () =>
  onBindfs(async (slow, below, bindfs) => {
    // Such a spin makes it likely that the request to be stuck comes during one, which must be seen as well.
    const a = new Served(base, "a", { source: slow, spinUs: 10_000 });
    const b = new Served(base, "b", {});
    all.push(a, b);
    await a.start(false, [b]);
    await shell(a.mountpoint, "echo one > file");
    bindfs.kill("SIGSTOP");
    const stuck = shell(a.mountpoint, "echo two > other; cat file");
    await shell(b.mountpoint, "for i in 1 2 3 4 5 6 7 8 9; do echo $i > f$i; cat f$i; done");
    const counters = async (): Promise<readonly ServeStats[]> => {
      a.messages.length = 0;
      a.child?.stdin.write("stats\n");
      return (await a.hears("stats"))["stats"] as ServeStats[];
    };
    const waitUntilSeen = async (): Promise<void> => {
      for (let seen = await counters(); (seen[0]?.busyMs ?? 0) <= 100 || seen[1]?.busyMs !== 0;) seen = await counters();
    };
    await deadline("the counters to tell which mount is stuck", 20_000, waitUntilSeen());
    bindfs.kill("SIGCONT");
    expect(await stuck).toBe("one\n");
    expect(readFileSync(join(below, "other"), "utf8")).toBe("two\n");
  }),
);

runs("what a storage answers when its mount has long ended is written into no file of another mount", () =>
  onBindfs(async (slow, _, bindfs) => {
    const a = new Served(base, "a", { source: slow });
    const b = new Served(base, "b", {});
    all.push(a, b);
    await a.start(false, [b]);
    const server = a.child?.pid ?? 0;
    const target = (fd: string): string => {
      try {
        return readlinkSync(`/proc/${server}/fd/${fd}`);
      } catch {
        return ""; // it is closed
      }
    };
    const devices = (): string[] => readdirSync(`/proc/${server}/fd`).filter((fd) => target(fd) === "/dev/fuse");
    const [ofA = ""] = devices();
    const tell = (word: string): void => writeFileSync(join(base, word), "");
    const waitFor = (word: string): string => `while not os.path.exists("${base}/${word}"): time.sleep(0.02)`;
    const program = (lines: string): string => `exec python3 -c '\nimport os, time\n${lines}'`;
    const heard = (word: string): Promise<boolean> => until(word, 20_000, () => existsSync(join(base, word)));
    const open = `f = os.open("file", os.O_RDWR | os.O_CREAT)\nopen("${base}/open", "w")`;
    const syncing = shell(a.mountpoint, program(`${open}\n${waitFor("stopped")}\nos.fsync(f)`)).catch(() => "failed");
    await heard("open");
    bindfs.kill("SIGSTOP");
    tell("stopped");
    await until(
      "the sync",
      20_000,
      () => a.stacks().includes("fsync"),
      () => a.stacks(),
    );
    abortConnection(a.minor ?? "");
    expect(await syncing).toBe("failed");
    await until("the end of the mount", 20_000, () => target(ofA) !== "/dev/fuse");
    const files = `for n in range(50): open("f%d" % n, "w").write("content")\nheld = [os.open("f%d" % n, os.O_RDWR) for n in range(50)]`;
    const holding = shell(b.mountpoint, program(`${files}\nopen("${base}/held", "w")\n${waitFor("answered")}`));
    await heard("held");
    bindfs.kill("SIGCONT");
    await until("the end of the sync", 20_000, () => !a.stacks().includes("fsync"));
    await until(
      "the lane to let go",
      20_000,
      () => devices().length === 1,
      () => devices().join(),
    );
    tell("answered");
    await holding;
    for (let n = 0; n < 50; n += 1) expect(readFileSync(join(b.source, `f${n}`), "latin1")).toBe("content");
  }),
);

runs("set-id bits are cleared by another user's write, also into a file that got them while open", async () => {
  const served = await serve("a", { cache: "exclusive" });
  execFileSync("chmod", ["0777", served.source]);
  const script =
    "echo x > f; chmod 0777 f; exec 3>> f; chmod 6777 f; setpriv --reuid=4711 --regid=4712 --clear-groups sh -c 'echo y >&3'; exec 3>&-";
  await shell(served.mountpoint, script);
  expect(execFileSync("stat", ["-c", "%a", join(served.source, "f")], { encoding: "utf8" })).toBe("777\n");
});
