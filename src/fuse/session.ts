// The life of one served mount: INIT (or a predecessor's outcome), requests one by one, the end. A session belongs to one thread.
import { readlinkSync } from "node:fs";
import { geteuid } from "node:process";
import { ERRNO, errnoName } from "../sys/errno.ts";
import { close } from "../sys/file.ts";
import { call } from "../sys/call.ts";
import { hot } from "../sys/hot.ts";
import { fdPath } from "../sys/fd-path.ts";
import { readMountinfo } from "../sys/mountinfo.ts";
import { directoryId } from "../sys/stat.ts";
import { openWithin } from "../sys/walk.ts";
import type { Heritage, ServeSpec } from "../engine/engine.ts";
import type { KeptFile } from "../engine/keeping.ts";
import { fuse_in_header } from "./abi/structs.ts";
import { STATFS } from "./codec/reply.ts";
import { REQUEST, STATFS_AT, type Memory } from "./codec/memory.ts";
import { Request } from "./codec/request.ts";
import { Device } from "./device.ts";
import { Dispatcher } from "./dispatch.ts";
import { neverRedelivered } from "./failpoint.ts";
import { DaemonKeeper } from "./keeper.ts";
import { adoptFlags, assume, featuresOf, init } from "./init.ts";
import { behaviourOf, isStacked, type Behaviour } from "./passthrough/behaviour.ts";
import { Credentials } from "./passthrough/credentials.ts";
import type { LaneJob } from "./passthrough/lane-job.ts";
import { Passthrough, type Limits, type Services } from "./passthrough/passthrough.ts";
import { SharedTables } from "./passthrough/shared-tables.ts";
import { HEADER } from "./passthrough/table-layout.ts";
import type { Turn } from "./turn.ts";

/** What a session needs of its thread. */
export interface SessionHost {
  /** `device`, a duplicate, is its own from here on. False: the lane has enough to do, and nothing was taken. */
  defer(session: Session, device: number, uniqueLo: number, uniqueHi: number, job: LaneJob): boolean;
  /** The process has no descriptor left: gives up what can be opened again; false: there was nothing. */
  makeRoom(): boolean;
  log(message: string): void;
  readonly turn: Turn;
  /** The session's `settle` should be called when there is time. */
  unsettled(session: Session): void;
  /** INIT is answered (or was, by a predecessor). */
  negotiated(features: string[]): void;
}

/** What `step` found. */
export const STEP = { handled: 1, idle: 0, ended: -1 } as const;

/** Whether other filesystems are mounted in a directory: what holds for its own need not hold for theirs. */
function hasMountsBelow(directory: number): boolean {
  const path = `${readlinkSync(fdPath(directory))}/`;
  return readMountinfo().some((mount) => mount.mountpoint.startsWith(path));
}

export class Session {
  readonly spec: ServeSpec;
  readonly device: Device;
  readonly fs: Passthrough;
  /** The directory it serves: "dev:ino". */
  readonly root: string;
  readonly #mem: Memory;
  readonly #tables: SharedTables;
  readonly #dispatcher: Dispatcher;
  readonly #host: SessionHost;
  readonly #keeper: DaemonKeeper | undefined;
  #takingOver = false;
  requests = 0;
  /** Why it ended; undefined for an unmount. */
  failure: string | undefined;

  constructor(
    spec: ServeSpec,
    deviceFd: number,
    heritage: Heritage | undefined,
    mem: Memory,
    mayPassthrough: boolean,
    host: SessionHost,
    limits: Limits = { directories: 256, files: 256, pins: 1024 },
  ) {
    this.spec = spec;
    this.#mem = mem;
    this.#host = host;
    this.device = new Device(deviceFd, mem);
    this.#tables = new SharedTables(heritage);
    this.#keeper = heritage?.keeper === undefined ? undefined : new DaemonKeeper(heritage.keeper, () => host.unsettled(this));
    let rootFd = -1;
    try {
      rootFd = openWithin(spec.storage, spec.source);
      this.root = directoryId(rootFd);
      call("fstatfs", spec.source, hot.fstatfs, rootFd, mem.address + STATFS_AT);
      const type = mem.word(STATFS_AT + STATFS.f_type);
      const behaviour = behaviourOf(spec.cache, type, (!spec.allowOther || geteuid?.() === 0) && !hasMountsBelow(rootFd));
      const passthrough = mayPassthrough && !isStacked(type);
      const request = new Request(mem);
      this.fs = new Passthrough(
        rootFd,
        mem,
        request,
        new Credentials(mem, behaviour),
        this.#tables,
        behaviour,
        this.#services(),
        limits,
        this.#keeper,
      );
      this.#dispatcher = new Dispatcher(mem, request, {
        fs: this.fs,
        own: (name) => this.#own(name, request, behaviour, passthrough),
        journal: this.#tables.journal,
        log: (message) => host.log(message),
        trace: spec.trace,
      });
      if (this.#tables.lost) {
        host.log(`${spec.mountpoint}: what the last server knew of its open files is lost`);
        assume(behaviour, this.#tables, passthrough);
      }
      if (heritage?.resume === true) this.#resume(behaviour, heritage.kept ?? []);
    } catch (error) {
      // Whoever else holds the device decides what becomes of the mount: a descriptor left here would keep its callers waiting for ever.
      if (rootFd >= 0) close(rootFd);
      this.device.close();
      this.#tables.close();
      throw error;
    }
  }

  get errors(): number {
    return this.#dispatcher.errors;
  }

  #services(): Services {
    return {
      backingOpen: (fd) => this.device.backingOpen(fd),
      backingClose: (id) => this.device.backingClose(id),
      defer: (job) => this.#defer(job),
      makeRoom: () => this.#host.makeRoom(),
      notify: (code, size) => this.device.notify(code, size),
    };
  }

  #defer(job: LaneJob): boolean {
    const device = this.fs.duplicate(this.device.fd);
    if (device < 0) return false;
    const [lo, hi] = [this.#mem.word(REQUEST + fuse_in_header.unique), this.#mem.word(REQUEST + fuse_in_header.unique + 4)];
    if (this.#host.defer(this, device, lo, hi, job)) return true;
    close(device);
    return false;
  }

  #resume(behaviour: Behaviour, kept: readonly KeptFile[]): void {
    const h = this.#tables.header;
    adoptFlags(behaviour, h[HEADER.flags] as number, h[HEADER.flags2] as number);
    this.fs.nameless.inherit(kept);
    this.fs.mendMode();
    this.#takingOver = true;
    this.#host.turn.begin();
    const result = neverRedelivered ? -ERRNO.EINVAL : this.device.resend();
    if (result < 0) {
      this.#host.log(`${this.spec.mountpoint}: this kernel does not redeliver requests (${errnoName(-result)})`);
      // An error is all there is for those who wait; nobody else will ever answer them.
      const { unanswered, perhapsRead } = this.#tables.journal;
      for (const unique of [...unanswered, ...perhapsRead]) this.device.fail(unique, ERRNO.EIO);
    }
    this.#host.negotiated(featuresOf(behaviour));
  }

  // INIT; DESTROY asks for nothing; INTERRUPT comes too late for what is answered in one go, and a lane's work is finished anyway.
  #own(name: string, request: Request, behaviour: Behaviour, mayPassthrough: boolean): number {
    if (name !== "INIT") return 0;
    const result = init(this.#mem, request, behaviour, this.#tables, mayPassthrough);
    if (result >= 0) this.#host.negotiated(featuresOf(behaviour));
    return result;
  }

  /** Reads and answers one request, if one is there. */
  step(): number {
    const length = this.device.read();
    if (length < 0) {
      if (length === -ERRNO.EAGAIN) {
        this.#endTakeover();
        return STEP.idle;
      }
      if (length === -ERRNO.ENOENT || length === -ERRNO.EINTR) return STEP.handled;
      if (length !== -ERRNO.ENODEV) this.failure = `reading requests: ${errnoName(-length)}`;
      return STEP.ended;
    }
    this.requests += 1;
    const turn = this.#host.turn.take();
    const reply = this.#dispatcher.dispatch(length);
    if (reply > 0) this.#send(reply);
    this.#tables.journal.end();
    if (turn) this.#host.turn.give();
    if (reply >= 0) return STEP.handled;
    this.failure = `malformed request of ${length} bytes`;
    return STEP.ended;
  }

  // What is redelivered comes first, so it is over when nothing is there for once.
  #endTakeover(): void {
    if (this.#takingOver) this.#host.turn.end();
    this.#takingOver = false;
  }

  /** Does what had time. @returns whether the daemon should look at what it was told. */
  settle(): boolean {
    this.fs.nameless.settle();
    return this.#keeper?.settle() === true;
  }

  #send(length: number): void {
    const result = this.device.write(length);
    if (result >= 0 || result === -ERRNO.ENOENT || result === -ERRNO.ENODEV) return;
    this.#host.log(`${this.spec.mountpoint}: a reply was refused: ${errnoName(-result)}`);
  }

  /** Gives up descriptors and memory; the mount itself stays for whoever holds its device. */
  close(): void {
    this.#endTakeover();
    this.device.close();
    this.fs.close();
    close(this.fs.rootFd);
    this.#tables.close();
  }
}
