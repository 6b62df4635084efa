// A home on a tmpfs of its own, a storage, private XDG directories and the built program, as root or as an ordinary user. Everything is
// taken down by `dispose`, also after a failure: mounts detached, daemon and server killed by pid, user removed.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StatusReport } from "../../src/daemon/status.ts";
import { readMountinfo, type MountInfo } from "../../src/sys/mountinfo.ts";
import { deadline, kernelStacks, until } from "./deadline.ts";
import { removeTree, tempDirectory } from "./temp.ts";

/** The checkout, whether this runs from its sources or compiled for a benchmark. */
const ROOT = checkoutAbove(dirname(fileURLToPath(import.meta.url)));
const RUN_MS = 60_000;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SandboxOptions {
  /** "user": an ordinary user made for this test, who mounts through the set-uid fusermount3. */
  readonly as?: "root" | "user";
  /** Further options of the home's tmpfs. */
  readonly homeOptions?: string;
  readonly env?: Readonly<Record<string, string>>;
}

function checkoutAbove(path: string): string {
  return existsSync(join(path, "package.json")) ? path : checkoutAbove(dirname(path));
}

let users = 0;

/** Runs useradd or userdel, which give up at once where another one has the user database locked: those of all tests wait for each other. */
function changeUsers(...command: readonly string[]): void {
  execFileSync("flock", ["/run/lock/hmpersist-test-users", ...command], { stdio: "ignore" });
}

/** The program where everybody can run it: a checkout below a private directory is copied. */
function program(base: string): string {
  for (let path = ROOT; path !== "/"; path = dirname(path)) {
    if ((statSync(path).mode & 0o005) === 0o005) continue;
    const copy = join(base, "program");
    for (const name of ["bin", "dist", "node_modules", "package.json"])
      cpSync(join(ROOT, name), join(copy, name), { recursive: true, verbatimSymlinks: true });
    return join(copy, "bin/hmpersist.js");
  }
  return join(ROOT, "bin/hmpersist.js");
}

export class Sandbox {
  readonly base: string;
  readonly home: string;
  readonly storage: string;
  readonly configFile: string;
  readonly env: NodeJS.ProcessEnv;
  readonly uid: number;
  readonly program: string;
  readonly #user: string | undefined;
  readonly #homeOptions: string;
  readonly #children: ChildProcess[] = [];

  constructor(name: string, options: SandboxOptions = {}) {
    this.base = tempDirectory(name);
    this.#homeOptions = options.homeOptions ?? "size=64m";
    if (options.as === "user") {
      users += 1;
      this.#user = `hmp${process.pid}x${users}`;
      changeUsers("useradd", "--no-create-home", "--user-group", "--shell", "/bin/bash", this.#user);
      this.uid = Number(execFileSync("id", ["-u", this.#user], { encoding: "utf8" }));
    } else {
      this.uid = 0;
    }
    this.program = program(this.base);
    this.home = join(this.base, "home");
    this.storage = join(this.base, "storage");
    this.configFile = join(this.base, "config.json");
    mkdirSync(this.home);
    for (const dir of ["storage", "run", "state", "etc"]) this.ownDirectory(join(this.base, dir));
    this.env = {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      LANG: "C.UTF-8",
      HOME: this.home,
      XDG_RUNTIME_DIR: join(this.base, "run"),
      XDG_STATE_HOME: join(this.base, "state"),
      XDG_CONFIG_HOME: join(this.base, "etc"),
      ...options.env,
    };
    this.newHome();
  }

  /** A private directory of the sandbox's user. */
  ownDirectory(path: string, mode = 0o700): void {
    mkdirSync(path, { recursive: true });
    chownSync(path, this.uid, this.uid);
    chmodSync(path, mode);
  }

  /** A fresh tmpfs on the home, as after a reboot. */
  newHome(): void {
    const options = `mode=0700,uid=${this.uid},gid=${this.uid},nosuid,nodev,${this.#homeOptions}`;
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", this.home]);
  }

  throwHomeAway(): void {
    execFileSync("umount", ["-i", "-c", this.home]);
  }

  writeConfig(config: unknown): string {
    writeFileSync(this.configFile, typeof config === "string" ? config : JSON.stringify(config));
    return this.configFile;
  }

  /** The wiki's configuration with home and storages moved into this sandbox; the storages are made. */
  writeWikiConfig(): { directories: string[]; files: string[] } {
    const wiki = JSON.parse(readFileSync(join(ROOT, "test/fixtures/wiki.json"), "utf8")) as {
      persistence: Record<string, { removePrefixDirectory: boolean; directories: string[]; files: string[] }>;
    };
    const moved = Object.entries(wiki.persistence).map(([path, options]) => [join(this.storage, path), options] as const);
    for (const [path] of moved) this.ownDirectory(path);
    execFileSync("chown", ["-R", `${this.uid}:${this.uid}`, this.storage]);
    this.writeConfig({ home: this.home, persistence: Object.fromEntries(moved) });
    const all = (kind: "directories" | "files"): string[] =>
      moved.flatMap(([, options]) =>
        options[kind].map((path) => (options.removePrefixDirectory ? path.split("/").slice(1).join("/") : path)),
      );
    return { directories: all("directories"), files: all("files") };
  }

  /** Runs the program to its end. */
  run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    return this.exec(process.execPath, [this.program, ...args], env);
  }

  /** Runs the program in a mount namespace of its own that root prepared with the shell commands `prepare`. */
  runIn(prepare: string, args: readonly string[]): Promise<Ran> {
    const drop = this.uid === 0 ? "" : `setpriv --reuid ${this.uid} --regid ${this.uid} --clear-groups `;
    const script = `set -e; ${prepare}\nexec ${drop}"$0" "$@"`;
    const command = ["--mount", "--propagation", "private", "sh", "-c", script, process.execPath, this.program, ...args];
    return this.#capture(this.#spawnAs(0, "unshare", command, {}), `unshare: ${args.join(" ")}`);
  }

  /** Runs any command as the sandbox's user. Its standard input is empty. */
  exec(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    return this.#capture(this.spawn(command, args, env), `${command} ${args.join(" ")}`);
  }

  async #capture(child: ChildProcess, what: string): Promise<Ran> {
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
    const ended = new Promise<number | null>((resolve, reject) => child.on("close", resolve).on("error", reject));
    const code = await deadline(what, RUN_MS, ended, () => `${kernelStacks(child.pid ?? 0)}\n${stdout}${stderr}`);
    return { code, stdout, stderr };
  }

  /** Starts a command as the sandbox's user; it is killed at the end. */
  spawn(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, stdin: "ignore" | "pipe" = "ignore"): ChildProcess {
    return this.#spawnAs(this.uid, command, args, env, stdin);
  }

  #spawnAs(
    uid: number,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    stdin: "ignore" | "pipe" = "ignore",
  ): ChildProcess {
    const identity = uid === 0 ? {} : { uid, gid: uid };
    const child = spawn(command, args, { cwd: this.base, env: { ...this.env, ...env }, stdio: [stdin, "pipe", "pipe"], ...identity });
    this.#children.push(child);
    return child;
  }

  /** The daemon in the foreground. */
  daemon(args: readonly string[] = ["--config", this.configFile], env: NodeJS.ProcessEnv = {}): ChildProcess {
    return this.spawn(process.execPath, [this.program, "mount", "--foreground", ...args], env);
  }

  async status(): Promise<StatusReport> {
    const { stdout, stderr } = await this.run(["status", "--json"]);
    const report = JSON.parse(stdout) as StatusReport | { readonly error: unknown };
    if ("error" in report) throw new Error(`no status: ${stdout}${stderr}`);
    return report;
  }

  /** Polls `status` until it answers and `wanted` holds: on a machine that does many things at once the daemon may be late. */
  async statusUntil(what: string, wanted: (report: StatusReport) => boolean, ms = 20_000): Promise<StatusReport> {
    const end = performance.now() + ms;
    for (;;) {
      const answer = await this.status().catch((error: unknown) => String(error));
      if (typeof answer !== "string" && wanted(answer)) return answer;
      if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms\n${JSON.stringify(answer, null, 1)}\n${this.log()}`);
    }
  }

  /** FUSE mounts of hmpersist in this home. */
  mounts(): MountInfo[] {
    return readMountinfo().filter((mount) => mount.type === "fuse.hmpersist" && mount.mountpoint.startsWith(`${this.home}/`));
  }

  /** What a daemon in the background logged. */
  log(): string {
    const file = join(this.base, "run/hmpersist/daemon.log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  /** Pids whose environment says that they belong to this sandbox: daemon and server, however they were started. */
  pids(): number[] {
    const found = execFileSync("sh", ["-c", `grep -alsF 'XDG_RUNTIME_DIR=${this.base}/run' /proc/[0-9]*/environ || true`], {
      encoding: "utf8",
    });
    return found.split("\n").flatMap((line) => (/^\/proc\/(\d+)\//.exec(line)?.[1] === undefined ? [] : [Number(line.split("/")[2])]));
  }

  async dispose(): Promise<void> {
    const own = (): MountInfo[] => readMountinfo().filter((mount) => mount.mountpoint.startsWith(`${this.base}/`));
    // A lazy unmount takes along what is mounted inside, which could not be reached through a mount without a server.
    const fuse = (): MountInfo | undefined => own().find((mount) => mount.type.startsWith("fuse"));
    for (let mount = fuse(); mount !== undefined; mount = fuse()) execFileSync("umount", ["-i", "-l", "-c", mount.mountpoint]);
    for (const pid of this.pids()) kill(pid);
    for (const child of this.#children) child.kill("SIGKILL");
    await until(
      "end of the sandbox's processes",
      10_000,
      () => this.pids().length === 0,
      () => this.pids().map(kernelStacks).join("\n"),
    );
    for (const mount of own().reverse()) execFileSync("umount", ["-i", "-l", "-c", mount.mountpoint]);
    if (this.#user !== undefined) changeUsers("userdel", "--force", this.#user);
    removeTree(this.base);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself meanwhile.
  }
}

/** Runs `body` in a sandbox and takes the sandbox down. */
export async function withSandbox<T>(name: string, options: SandboxOptions, body: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  const sandbox = new Sandbox(name, options);
  try {
    return await body(sandbox);
  } finally {
    await sandbox.dispose();
  }
}
