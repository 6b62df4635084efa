// What is remembered of links between runs, in one JSON file replaced as a whole. A record holds only for the home it was made in. The
// file may lie on a mount of ours that has no server yet: nobody waits long for it, and it is not replaced before it was read.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../sys/constants.ts";
import { isErrno } from "../sys/errno.ts";
import { getXattr, setXattr } from "../sys/fd-path.ts";
import { close, openat } from "../sys/file.ts";
import { cstr } from "../sys/name.ts";
import { btimeFd, statFd } from "../sys/stat.ts";
import type { LinkRecord } from "./types.ts";
import { within } from "../within.ts";

const VERSION = 1;
/** Where there is no room for the file now there may be later. */
const RETRY_MS = 5_000;
const READ_MS = 1_500;
const NOTE = cstr("user.hmpersist.home");

export interface MemoryEvents {
  /** The file cannot be read or written; said once, and tried on. */
  readonly failed?: (error: unknown) => void;
  /** What the file says is known only now. */
  readonly late?: () => void;
}

export class LinkMemory {
  readonly #file: string;
  readonly #root: string;
  #home: string;
  #noted = false;
  readonly #links = new Map<string, LinkRecord>();
  /** Before the file was read. */
  readonly #forgotten = new Set<string>();
  readonly #events: MemoryEvents;
  /** Resolves when the file was read, or does not answer for now. */
  readonly ready: Promise<void>;
  #read = false;
  #closed = false;
  #dirty = false;
  #saving: Promise<void> | undefined;
  /** Says once that there is no saving, and tries on. */
  #failing = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(stateDir: string, home: string, events: MemoryEvents = {}) {
    this.#events = events;
    this.#file = join(stateDir, "links.json");
    this.#root = home;
    this.#home = identify(home);
    this.ready = this.#load();
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
    if (!this.#read) this.#forgotten.add(target);
    if (this.#links.delete(target)) this.#save();
  }

  /** Resolves when everything remembered so far is in the file. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await this.#saving;
  }

  async #load(): Promise<void> {
    const reading = this.#untilRead();
    const late = await within(
      reading.then(() => false),
      READ_MS,
      true,
    );
    if (late) void reading.then(() => this.#closed || this.#events.late?.());
  }

  async #untilRead(): Promise<void> {
    for (;;) {
      try {
        this.#merge(parse(await readFile(this.#file, "utf8")));
        break;
      } catch (error) {
        if (isErrno(error, "ENOENT", "ENOTDIR")) break;
        this.#fail(error);
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
    this.#read = true;
    this.#failing = false;
    if (this.#dirty && !this.#closed) this.#save();
  }

  #merge(found: ReadonlyMap<string, LinkRecord>): void {
    for (const [target, record] of found) {
      // What was remembered of another home says nothing about this one.
      if (record.home !== this.#home || this.#forgotten.has(target)) continue;
      const { text, known = record.known, healed, lastHealed = record.lastHealed, backups } = this.#links.get(target) ?? record;
      if (!this.#links.has(target)) this.#links.set(target, record);
      else if (text === record.text) {
        const all = { known, lastHealed, healed: healed + record.healed, backups: [...record.backups, ...backups] };
        this.#links.set(target, { ...record, ...all });
      }
    }
  }

  // Never in the event loop's way: the state directory may lie on a mount of ours. Changes during a write share the next one.
  #save(): void {
    this.#dirty = true;
    if (!this.#read) return;
    this.#saving ??= this.#write().finally(() => {
      this.#saving = undefined;
    });
  }

  async #write(): Promise<void> {
    const temporary = `${this.#file}.new`;
    try {
      await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
      this.#note();
      while (this.#dirty) {
        this.#dirty = false;
        await writeFile(temporary, JSON.stringify({ version: VERSION, links: this.#records() }), { mode: 0o600 });
        await rename(temporary, this.#file);
      }
      this.#failing = false;
    } catch (error) {
      this.#dirty = true;
      this.#fail(error);
      clearTimeout(this.#retry);
      if (!this.#closed) this.#retry = setTimeout(() => this.#save(), RETRY_MS).unref();
    }
  }

  // On the home itself, which may be another one by now.
  #note(): void {
    if (this.#noted) return;
    const noted = identify(this.#root, true);
    if (noted.startsWith(`${this.#home}/`)) this.#home = noted;
    this.#noted = true;
  }

  #records(): Record<string, LinkRecord> {
    return Object.fromEntries([...this.#links].map(([target, record]) => [target, { ...record, home: this.#home }]));
  }

  #fail(error: unknown): void {
    if (!this.#failing) this.#events.failed?.(error);
    this.#failing = true;
  }
}

// A broken or foreign file, or record, is no memory: links are then recognised by their text, and plain files are conflicts, not healed.
function parse(text: string): Map<string, LinkRecord> {
  try {
    const { version, links } = JSON.parse(text) as { version: number; links: Record<string, unknown> };
    return version === VERSION ? new Map(Object.entries(links).filter(isWhole)) : new Map();
  } catch {
    return new Map();
  }
}

function isWhole(entry: [string, unknown]): entry is [string, LinkRecord] {
  const { text, home, healed, backups, known } = (entry[1] ?? {}) as Partial<LinkRecord>;
  return typeof text === "string" && typeof home === "string" && typeof healed === "number" && Array.isArray(backups) && known !== null;
}

// A tmpfs made anew has the inode numbers of the old one, but not its time of birth; without that, the boot has to do. A home that is
// rolled back to a snapshot has both, but not what was noted on it since.
function identify(home: string, note = false): string {
  const fd = openat(AT_FDCWD, cstr(home), O_PATH | O_DIRECTORY | O_CLOEXEC);
  try {
    const born = btimeFd(fd) ?? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    if (note && getXattr(fd, NOTE) === undefined) setXattr(fd, NOTE, Buffer.from(randomUUID()));
    const noted = getXattr(fd, NOTE);
    return `${statFd(fd).ino}@${born}${noted === undefined ? "" : `/${noted.toString()}`}`;
  } finally {
    close(fd);
  }
}
