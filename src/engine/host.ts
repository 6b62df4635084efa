// Entry point of the server process: serves mounts, and never looks at a path below one of them. Everything it needs arrives from the
// daemon; it makes no decision of its own. When the daemon is gone it goes on serving (open files must not die with a supervisor)
// until the mounts are unmounted, or a new daemon takes them over and ends it.
import { endWithoutThreads } from "../sys/exit.ts";
import { close, dup } from "../sys/file.ts";
import { raiseNofile } from "../sys/rlimit.ts";
import { receiveFds } from "../sys/socket.ts";
import type { Engine, EngineName, ServedMount } from "./engine.ts";
import { offerHandover, type HandedMount, type Offer } from "./handover.ts";
import { receiveKept } from "./keeping.ts";
import { FD_SOCKET, type FromServer, type ToServer } from "./host-protocol.ts";

const engines = new Map<EngineName, Promise<Engine>>();
const served = new Map<string, ServedMount>();
/** By mountpoint, for a daemon that takes over from one that died. */
const kept = new Map<string, KeptMount>();
/** Mounts that have not ended, those included that were unmounted lazily and have a successor. */
let active = 0;
/** Where a new daemon asks for them. */
const [handoverPath] = process.argv.slice(2);

function tell(message: FromServer): void {
  if (process.connected) process.send?.(message);
}

// Loaded on first use: an engine that is not asked for costs nothing.
function loadEngine(name: EngineName): Promise<Engine> {
  const known = engines.get(name);
  if (known !== undefined) return known;
  const engine =
    name === "kernel"
      ? import("../fuse/engine.ts").then((module) => module.createKernelEngine({ kept: () => tell({ type: "kept" }) }))
      : import("../fuse-native/engine.ts").then((module) => module.createFuseNativeEngine());
  engines.set(name, engine);
  return engine;
}

/** What a daemon gives to be served. */
type Given = Omit<HandedMount, "device" | "state"> & { readonly device: number | undefined; readonly state: number | undefined };

function receive({ engine, spec, device: comes, kept: messages }: Extract<ToServer, { type: "serve" }>): Given {
  // Taken off the socket at once and in order, before anything waits.
  const [device, state] = comes ? (receiveFds(FD_SOCKET, 4096, 2, false)?.fds ?? []) : [];
  return { engine, spec, device, state, kept: receiveKept(FD_SOCKET, messages) };
}

async function serve(id: number, { engine: name, spec, device, state, kept: files }: Given, resume: boolean): Promise<void> {
  const { mountpoint } = spec;
  letGo(mountpoint);
  const heritage = state === undefined ? undefined : { fd: state, resume, keeper: { socket: FD_SOCKET, id }, kept: files ?? [] };
  const starting = loadEngine(name).then((engine) => engine.serve(spec, device, heritage));
  const mine =
    device === undefined || state === undefined
      ? undefined
      : new KeptMount(id, { engine: name, spec, device: dup(device), state: dup(state) }, starting);
  if (mine !== undefined) kept.set(mountpoint, mine);
  // What was served here before may have open files yet, and ends after this began: only what is still its own may it take along.
  const forget = (mount?: ServedMount): void => {
    if (served.get(mountpoint) === mount) served.delete(mountpoint);
    if (kept.get(mountpoint) === mine && mine?.leaving !== true) letGo(mountpoint);
  };
  active += 1;
  try {
    const mount = await starting;
    served.set(mountpoint, mount);
    tell({ type: "serving", mountpoint, root: mount.root });
    const reason = await mount.ended;
    forget(mount);
    tell({ type: "ended", id, mountpoint, ...(reason === undefined ? {} : { reason }) });
  } catch (error) {
    forget();
    tell({ type: "failed", mountpoint, reason: error instanceof Error ? error.message : String(error) });
  }
  active -= 1;
  if (!process.connected && active === 0 && kept.size === 0) await quit();
}

/** A mount that the next daemon may take over. */
class KeptMount implements Offer {
  /** It is stopped for the next daemon: the end of its service is not its end. */
  leaving = false;
  readonly #id: number;
  /** Its descriptors are duplicates. */
  readonly #mount: HandedMount;
  readonly #starting: Promise<ServedMount>;

  constructor(id: number, mount: HandedMount, starting: Promise<ServedMount>) {
    this.#id = id;
    this.#mount = mount;
    this.#starting = starting;
  }

  async stop(): Promise<HandedMount> {
    this.leaving = true;
    // One that could not be served is for the next server to try.
    const mount = await this.#starting.catch(() => undefined);
    return { ...this.#mount, kept: await mount?.stop() };
  }

  given(mount: HandedMount): void {
    letGo(mount.spec.mountpoint);
    for (const { fd } of mount.kept ?? []) close(fd);
  }

  resume(mount: HandedMount): void {
    void serve(this.#id, { ...mount, device: dup(mount.device), state: dup(mount.state) }, true);
  }

  close(): void {
    close(this.#mount.device);
    close(this.#mount.state);
  }
}

function letGo(mountpoint: string): void {
  kept.get(mountpoint)?.close();
  kept.delete(mountpoint);
}

async function quit(): Promise<void> {
  await Promise.all([...served.values()].map((mount) => mount.stop()));
  for (const engine of engines.values()) await (await engine).close();
  end();
}

// A serving thread that waits for requests cannot be told to end by node, which would wait for it.
function end(): never {
  endWithoutThreads();
  return process.exit(0);
}

function handle(message: ToServer): void {
  switch (message.type) {
    case "serve":
      void serve(message.id, receive(message), message.resume);
      break;
    case "warm":
      // A failure is met again, and reported, by the first mount.
      loadEngine(message.engine).then(
        (engine) => engine.warm(message.storages),
        () => {},
      );
      break;
    case "stop":
      void served.get(message.mountpoint)?.stop();
      break;
    case "stats": {
      const mounts = Object.fromEntries([...served].map(([mountpoint, mount]) => [mountpoint, mount.stats()]));
      tell({ type: "stats", seq: message.seq, mounts });
      break;
    }
    case "quit":
      void quit();
      break;
  }
}

raiseNofile();
// A log without room or reader must not end the mounts.
process.stderr.on("error", () => {});
process.on("message", handle);
// The daemon ends the server, not the terminal or the service manager.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
process.on("SIGHUP", () => {});
process.on("disconnect", () => {
  if (active === 0 || handoverPath === undefined) end();
  offerHandover(
    handoverPath,
    () => [...kept.values()],
    () => void quit(),
  );
});
tell({ type: "ready" });
