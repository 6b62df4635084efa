// What a soak runs on: a sandbox with three storages (a plain directory, a tmpfs, an ext4 on a loop device), mounts of both cache modes on
// each, one mount inside another, many idle ones, and links.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readFuseConf } from "../../src/mount/fuse-conf.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import type { SoakOptions } from "./options.ts";

const CLIENT = "test/soak/client";
const DISK_BYTES = 320 << 20;
const IDLE = 12;
const LINKS = 8;

/** A directory brought home, and whether its storage is the one that fills up. */
export interface Place {
  readonly source: string;
  readonly target: string;
  readonly disk: boolean;
  /** The kernel keeps written data back for a while. */
  readonly writeback: boolean;
}

export class Scene {
  readonly sandbox: Sandbox;
  readonly disk: string;
  readonly memory: string;
  /** Where clients live. */
  readonly places: readonly Place[];
  /** Home paths of the links, and where they lead. */
  readonly links: readonly { readonly target: string; readonly source: string }[];
  /** The clients' programs, where everybody may read them. */
  readonly programs: string;
  /** Directories that come and go with a new configuration. */
  readonly #extra = new Set<string>();
  readonly #nested: boolean;

  constructor(options: SoakOptions, checkout: string) {
    const env = options.as === "cached" ? { HMPERSIST_PASSTHROUGH: "0" } : {};
    this.sandbox = new Sandbox("soak", { as: options.as === "user" ? "user" : "root", env });
    const { base, home, storage } = this.sandbox;
    this.#nested = options.as !== "user" || readFuseConf().userAllowOther;
    this.disk = join(base, "disk");
    this.memory = join(base, "memory");
    this.programs = join(base, "client");
    cpSync(join(checkout, CLIENT), this.programs, { recursive: true });
    const place = (from: string, name: string): Place => ({
      source: join(from, name),
      target: join(home, name),
      disk: from === this.disk,
      writeback: name.startsWith("exclusive") && options.as !== "root",
    });
    this.places = [
      ...[storage, this.memory, this.disk].flatMap((from, index) => [place(from, `shared-${index}`), place(from, `exclusive-${index}`)]),
      place(storage, "outer"),
      ...(this.#nested ? [place(this.memory, "outer/inner")] : []),
    ];
    this.links = Array.from({ length: LINKS }, (_, index) => {
      const name = index % 2 === 0 ? `.link-${index}` : `.config/app-${index}/rc`;
      return { target: join(home, name), source: join(storage, name) };
    });
  }

  /** Makes what needs root and can fail; `dispose` cleans up after a failure, too. */
  prepare(): void {
    const { base, uid } = this.sandbox;
    mkdirSync(this.memory);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=400m", "tmpfs", this.memory]);
    const image = join(base, "image");
    writeFileSync(image, "");
    truncateSync(image, DISK_BYTES);
    execFileSync("mkfs.ext4", ["-q", "-m", "0", "-b", "4096", image]);
    mkdirSync(this.disk);
    execFileSync("mount", ["-o", "loop", image, this.disk]);
    for (const path of [this.memory, this.disk]) this.sandbox.ownDirectory(path);
    for (const { source } of this.places) this.#make(source);
    for (const { source } of this.places) this.#make(join(source, "shared"));
    execFileSync("chown", ["-R", `${uid}:${uid}`, this.sandbox.storage, this.memory]);
    this.configure();
  }

  #make(path: string): void {
    this.sandbox.ownDirectory(path);
  }

  /** Writes the configuration with these further directories of the plain storage. */
  configure(extra: readonly string[] = [...this.#extra]): void {
    this.#extra.clear();
    for (const name of extra) this.#extra.add(name);
    const { home, storage } = this.sandbox;
    const directories = (from: string): unknown[] =>
      this.places
        .filter(({ source }) => source.startsWith(`${from}/`))
        .map(({ target }) => target.slice(home.length + 1))
        .map((directory) => ({ directory, cache: directory.startsWith("exclusive") ? "exclusive" : "shared" }));
    const idle = Array.from({ length: IDLE }, (_, index) => `idle-${index}`);
    const files = this.links.map(({ target }) => target.slice(home.length + 1));
    this.sandbox.writeConfig({
      home,
      engine: "kernel",
      persistence: {
        [storage]: { directories: [...directories(storage), ...idle, ...extra], files, allowOther: this.#nested },
        [this.memory]: { directories: directories(this.memory) },
        [this.disk]: { directories: directories(this.disk) },
      },
    });
  }

  get extra(): readonly string[] {
    return [...this.#extra];
  }

  get mountCount(): number {
    return this.places.length + IDLE + this.#extra.size;
  }

  /** Names of ours that nobody may find once all is done, wherever they could have been left. */
  privateNames(): string[] {
    const { home, storage } = this.sandbox;
    const roots = [home, storage, this.memory, this.disk];
    const found = execFileSync("find", [...roots, "-xdev", "-name", ".hmpersist-*", "-print"], { encoding: "latin1" });
    return found.split("\n").filter((path) => path !== "");
  }

  async dispose(): Promise<void> {
    await this.sandbox.dispose();
  }
}
