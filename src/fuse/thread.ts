// The serving thread of one storage: epoll over the devices of its mounts and one eventfd through which the main thread speaks. The
// event loop of this thread never turns while it serves; everything here is synchronous on purpose. After a request it looks for the next
// one for up to `spinUs` before it sleeps (waking a sleeper costs more than an operation does), and asleep it costs nothing.
import { writeSync } from "node:fs";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { nameThread } from "../engine/thread-name.ts";
import { call } from "../sys/call.ts";
import { O_CLOEXEC } from "../sys/constants.ts";
import { printableLines } from "../sys/text.ts";
import { monotonicMs } from "../sys/clock.ts";
import { hot } from "../sys/hot.ts";
import { EVENTS_AT, Memory } from "./codec/memory.ts";
import { leastBusy } from "./least-busy.ts";
import { COUNTER, type FromThread, type LaneRequest, type ThreadData, type ToThread } from "./messages.ts";
import { leaveSharedFsStruct } from "./passthrough/credentials.ts";
import type { LaneJob } from "./passthrough/lane-job.ts";
import { LANE_JOBS } from "./passthrough/table-layout.ts";
import { Patience } from "./patience.ts";
import { Session, STEP, type SessionHost } from "./session.ts";
import { Turn } from "./turn.ts";
import { WarmUp } from "./warm-up.ts";

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
/** struct epoll_event is packed on x86_64. */
const EVENT = process.arch === "x64" ? { size: 12, data: 4 } : { size: 16, data: 8 };
const MAX_EVENTS = 64;
/** Requests answered for one mount before the others are looked at. */
const BURST = 64;
/** The eventfd's id; those of mounts begin at 1. */
const CONTROL = 0;
/** Nothing came for so long after the first mount: the thread gets warm (warm-up.ts). */
const QUIET_MS = 30;
/** Nothing came for so long: files that the kernel opens without us, and that were written, are closed. */
const TIDY_MS = 1_000;
/** Nothing came for so long: files that lost their name and are still known are given to the daemon; most are forgotten before. */
const SETTLE_MS = 2;
/** Where something always comes, that is done all the same after so many turns of the loop. */
const TURNS = 2;

const data = workerData as ThreadData;
const mem = new Memory();
const patience = new Patience(data.spinUs / 1000);
const inflight = new Int32Array(data.inflight);
const turn = new Turn(data.turn);

interface Served {
  readonly id: number;
  readonly session: Session;
  readonly counters: Float64Array;
  readonly shared: SharedArrayBuffer;
}

const mounts = new Map<number, Served>();
const unsettled = new Set<Session>();
const bySession = new Map<Session, Served>();
const epfd = call("epoll_create1", undefined, hot.epoll_create1, O_CLOEXEC);
let closing = false;
let firstMount = true;
/** What epoll_wait is told: -1, wait for ever; QUIET_MS until the thread begins to get warm; 0 while it does. */
let timeout = -1;
let warmUp: WarmUp | undefined;
/** A mount was served whose kernel opens files without us. */
let untidy = false;
/** Of the loop, since there is something to settle. */
let turns = 0;
const startedLanes = new Set<number>();

const tell = (message: FromThread): void => parentPort?.postMessage(message);
// A reader of the log that is slow (EAGAIN: the pipe may be non-blocking) or gone must not end a mount: the line is lost instead.
const log = (message: string): void => {
  try {
    writeSync(2, `${printableLines(message)}\n`);
  } catch {
    // Nowhere to say it.
  }
};

function watch(operation: number, fd: number, id: number): void {
  mem.setWord(EVENTS_AT, EPOLLIN);
  mem.setWord(EVENTS_AT + EVENT.data, id);
  mem.setWord(EVENTS_AT + EVENT.data + 4, 0);
  call("epoll_ctl", undefined, hot.epoll_ctl, epfd, operation, fd, mem.address + EVENTS_AT);
}

function defer(session: Session, device: number, uniqueLo: number, uniqueHi: number, job: LaneJob): boolean {
  const counters = bySession.get(session)?.shared as SharedArrayBuffer;
  const lane = laneFor(job);
  if (Atomics.load(inflight, lane) >= LANE_JOBS) return false;
  session.fs.journal.deferred(lane, uniqueLo, uniqueHi);
  Atomics.add(inflight, lane, 1);
  const request: LaneRequest = { ...job, device, uniqueLo, uniqueHi, counters };
  data.lanes[lane]?.postMessage(request);
  if (startedLanes.has(lane)) return true;
  startedLanes.add(lane);
  tell({ type: "lane", slot: lane });
  return true;
}

// Copies take long: they queue up in one lane, so that reads and syncs find another; those go where the least is to be done.
function laneFor({ kind }: LaneJob): number {
  if (kind.startsWith("copy")) return 0;
  return leastBusy(inflight);
}

/** Closes the descriptors that are kept for speed, of all mounts here. */
function makeRoom(): boolean {
  let closed = false;
  for (const { session } of mounts.values()) if (session.fs.makeRoom()) closed = true;
  return closed;
}

function add(message: Extract<ToThread, { type: "add" }>): void {
  const { id, spec, device, heritage, counters } = message;
  try {
    const negotiated = (features: string[]): void => tell({ type: "negotiated", id, features });
    const host: SessionHost = { defer, makeRoom, log, negotiated, turn, unsettled: (session) => void unsettled.add(session) };
    const session = new Session(spec, device, heritage, mem, data.passthrough, host, data.limits);
    const served = { id, session, counters: new Float64Array(counters), shared: counters };
    watch(EPOLL_CTL_ADD, device, id);
    if (data.warmUp && firstMount) timeout = QUIET_MS;
    firstMount = false;
    mounts.set(id, served);
    bySession.set(session, served);
    tell({ type: "serving", id, root: session.root });
  } catch (error) {
    tell({ type: "failed", id, reason: error instanceof Error ? error.message : String(error) });
  }
}

/** `stopped`: the mount goes on, with another server, which must not begin before. */
function remove(served: Served, reason: string | undefined, stopped = false): void {
  const { id, session } = served;
  watch(EPOLL_CTL_DEL, session.device.fd, id);
  // What lanes still do is waited for, but not for ever if nobody comes after, since a dead storage may hold them.
  for (let waited = 0; stopped || waited < 500; waited += 1) {
    const busy = inflight.findIndex((jobs) => jobs > 0);
    if (busy < 0) break;
    Atomics.wait(inflight, busy, Atomics.load(inflight, busy), 10);
  }
  mounts.delete(id);
  bySession.delete(session);
  unsettled.delete(session);
  const kept = stopped ? session.fs.nameless.take() : [];
  session.close();
  tell({ type: "ended", id, reason, kept });
}

function control(): void {
  hot.read(data.wake, mem.address + EVENTS_AT, 8);
  for (let got = receiveMessageOnPort(data.control); got !== undefined; got = receiveMessageOnPort(data.control)) {
    const message = got.message as ToThread;
    if (message.type === "add") add(message);
    else if (message.type === "close") closing = true;
    else {
      const served = mounts.get(message.id);
      if (served !== undefined) remove(served, undefined, true);
    }
  }
}

/** Serves one mount until it is idle for the spin time, has had its burst, or ended. */
function serve(served: Served): void {
  const { session, counters } = served;
  let idleSince = 0;
  for (let handled = 0; handled < BURST;) {
    // Said before there is a request: one that comes during a spin may be the one that a storage never lets go of.
    const now = monotonicMs();
    counters[COUNTER.busySince] = now;
    const found = session.step();
    if (found === STEP.handled) {
      handled += 1;
      if (idleSince !== 0) patience.worked(now - idleSince);
      idleSince = 0;
      count(served);
      continue;
    }
    if (found === STEP.ended) {
      counters[COUNTER.busySince] = 0;
      remove(served, session.failure);
      return;
    }
    if (!patience.spins()) break;
    if (idleSince === 0) idleSince = now;
    else if (now - idleSince > patience.limitMs) {
      patience.failed();
      break;
    }
    // Another mount's request, or the main thread's word, is not kept waiting by a spin.
    if (mounts.size > 1 && hot.epoll_wait(epfd, mem.address + EVENTS_AT, 1, 0) > 0) break;
  }
  counters[COUNTER.busySince] = 0;
}

function count({ session, counters }: Served): void {
  const { fs } = session;
  counters[COUNTER.requests] = session.requests;
  counters[COUNTER.errors] = session.errors;
  counters[COUNTER.bytesRead] = fs.bytesRead;
  counters[COUNTER.bytesWritten] = fs.bytesWritten;
  counters[COUNTER.cacheHits] = fs.cacheHits;
  counters[COUNTER.nodes] = fs.nodes.count;
  counters[COUNTER.handles] = fs.handles.count;
}

function warm(): void {
  try {
    warmUp ??= new WarmUp(mem);
    if (warmUp.run()) timeout = 0;
    else cool();
  } catch (error) {
    cool();
    log(`warming up failed, which costs some speed at first: ${String(error)}`);
  }
}

function cool(): void {
  warmUp?.close();
  warmUp = undefined;
  timeout = -1;
}

function tidy(): void {
  for (const { session } of mounts.values()) session.fs.files.closeWritable();
  untidy = false;
}

function settle(): void {
  turns = 0;
  let told = false;
  for (const session of unsettled) if (session.settle()) told = true;
  unsettled.clear();
  if (told) tell({ type: "kept" });
}

nameThread(data.name);
leaveSharedFsStruct();
hot.umask(0);
watch(EPOLL_CTL_ADD, data.wake, CONTROL);
const ready: number[] = [];
while (!closing) {
  const wait = timeout < 0 && untidy ? TIDY_MS : timeout;
  const events = hot.epoll_wait(epfd, mem.address + EVENTS_AT, MAX_EVENTS, unsettled.size > 0 && wait !== 0 ? SETTLE_MS : wait);
  if (unsettled.size > 0 && (events === 0 || (turns += 1) > TURNS)) settle();
  else if (events === 0) (timeout < 0 ? tidy : warm)();
  ready.length = 0;
  for (let i = 0; i < events; i += 1) {
    // Packed events are 4-byte aligned: the id is the low word of `data`.
    ready.push(mem.word(EVENTS_AT + i * EVENT.size + EVENT.data));
  }
  for (const id of ready) {
    const served = mounts.get(id);
    if (id === CONTROL) control();
    else if (served !== undefined) {
      serve(served);
      untidy ||= served.session.fs.behaviour.noOpen;
    }
  }
}
for (const served of mounts.values()) remove(served, undefined);
cool();
hot.close(epfd);
data.control.close();
for (const lane of data.lanes) lane.close();
