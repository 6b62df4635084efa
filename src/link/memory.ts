// What is remembered of links between runs, in one JSON file replaced as a whole. A record holds only for the home it was made in.
import { readFileSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../sys/constants.ts";
import { close, openat } from "../sys/file.ts";
import { cstr } from "../sys/name.ts";
import { btimeFd, statFd } from "../sys/stat.ts";
import type { LinkRecord } from "./types.ts";

const VERSION = 1;
/** Where there is no room for the file now there may be later. */
const RETRY_MS = 5_000;

export class LinkMemory {
  readonly #file: string;
  readonly #home: string;
  readonly #links: Map<string, LinkRecord>;

  readonly #failed: (error: unknown) => void;
  #dirty = false;
  #saving: Promise<void> | undefined;
  /** Says once that there is no saving, and tries on. */
  #failing = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(stateDir: string, home: string, failed: (error: unknown) => void) {
    this.#failed = failed;
    this.#file = join(stateDir, "links.json");
    this.#home = identify(home);
    // What was remembered of another home says nothing about this one.
    this.#links = new Map([...load(this.#file)].filter(([, record]) => record.home === this.#home));
  }

  get(target: string): LinkRecord | undefined {
    return this.#links.get(target);
  }

  /** target -> text */
  texts(): ReadonlyMap<string, string> {
    return new Map([...this.#links].map(([target, record]) => [target, record.text]));
  }

  /** Remembers what changed about a link that is ours now. */
  set(target: string, change: Partial<Omit<LinkRecord, "home">> & Pick<LinkRecord, "text">): void {
    const { known, healed = 0, lastHealed, backups = [] } = this.#links.get(target) ?? {};
    this.#links.set(target, { known, healed, lastHealed, backups, ...change, home: this.#home });
    this.#save();
  }

  forget(target: string): void {
    if (this.#links.delete(target)) this.#save();
  }

  /** Resolves when everything remembered so far is in the file. */
  saved(): Promise<void> {
    return this.#saving ?? Promise.resolve();
  }

  // Never in the event loop's way: the state directory may lie on a mount of ours. Changes during a write share the next one.
  #save(): void {
    this.#dirty = true;
    this.#saving ??= this.#write().finally(() => {
      this.#saving = undefined;
    });
  }

  async #write(): Promise<void> {
    const temporary = `${this.#file}.new`;
    try {
      await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
      while (this.#dirty) {
        this.#dirty = false;
        await writeFile(temporary, JSON.stringify({ version: VERSION, links: Object.fromEntries(this.#links) }), { mode: 0o600 });
        await rename(temporary, this.#file);
      }
      this.#failing = false;
    } catch (error) {
      this.#dirty = true;
      if (!this.#failing) this.#failed(error);
      this.#failing = true;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#save(), RETRY_MS).unref();
    }
  }
}

// A broken or foreign file is no memory: links are then recognised by their text, and plain files are conflicts, not healed.
function load(file: string): Map<string, LinkRecord> {
  try {
    const { version, links } = JSON.parse(readFileSync(file, "utf8")) as { version: number; links: Record<string, LinkRecord> };
    return version === VERSION ? new Map(Object.entries(links)) : new Map();
  } catch {
    return new Map();
  }
}

// A tmpfs made anew has the inode numbers of the old one, but not its time of birth; without that, the boot has to do.
function identify(home: string): string {
  const fd = openat(AT_FDCWD, cstr(home), O_PATH | O_DIRECTORY | O_CLOEXEC);
  try {
    const born = btimeFd(fd) ?? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${statFd(fd).ino}@${born}`;
  } finally {
    close(fd);
  }
}
