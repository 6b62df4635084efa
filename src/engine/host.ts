// Entry point of the server process: serves mounts, and never looks at a path below one of them. Everything it needs arrives from the
// daemon; it makes no decision of its own. When the daemon is gone it goes on serving (open files must not die with a supervisor)
// until the mounts are unmounted, or a new daemon takes them over and ends it.
import { close, dup } from "../sys/file.ts";
import { raiseNofile } from "../sys/rlimit.ts";
import { receiveFds } from "../sys/socket.ts";
import type { Engine, EngineName, ServedMount } from "./engine.ts";
import { offerHandover, type HandedMount } from "./handover.ts";
import { receiveKept } from "./keeping.ts";
import { FD_SOCKET, type FromServer, type ToServer } from "./host-protocol.ts";

const engines = new Map<EngineName, Promise<Engine>>();
const served = new Map<string, ServedMount>();
/** Duplicates of the descriptors of each mount, for a daemon that takes over from one that died. */
const kept = new Map<string, HandedMount>();
/** Mounts that have not ended, those included that were unmounted lazily and have a successor. */
let active = 0;
/** A new daemon is being given the mounts: their end here is not the end of the process, which must send them first. */
let handing = false;
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

async function serve(message: Extract<ToServer, { type: "serve" }>): Promise<void> {
  const { mountpoint } = message.spec;
  // Taken off the socket at once and in order, before anything waits.
  const [device, state] = message.device ? (receiveFds(FD_SOCKET, 4096, 2, false)?.fds ?? []) : [];
  const nameless = receiveKept(FD_SOCKET, message.kept);
  letGo(mountpoint);
  if (device !== undefined && state !== undefined) {
    kept.set(mountpoint, { engine: message.engine, spec: message.spec, device: dup(device), state: dup(state) });
  }
  const mine = kept.get(mountpoint);
  // What was served here before may have open files yet, and ends after this began: only what is still its own may it take along.
  const forget = (mount?: ServedMount): void => {
    if (served.get(mountpoint) === mount) served.delete(mountpoint);
    if (kept.get(mountpoint) === mine) letGo(mountpoint);
  };
  active += 1;
  try {
    const engine = await loadEngine(message.engine);
    const keeper = { socket: FD_SOCKET, id: message.id };
    const heritage = state === undefined ? undefined : { fd: state, resume: message.resume, keeper, kept: nameless };
    const mount = await engine.serve(message.spec, device, heritage);
    served.set(mountpoint, mount);
    tell({ type: "serving", mountpoint, root: mount.root });
    const reason = await mount.ended;
    forget(mount);
    tell({ type: "ended", id: message.id, mountpoint, ...(reason === undefined ? {} : { reason }) });
  } catch (error) {
    forget();
    tell({ type: "failed", mountpoint, reason: error instanceof Error ? error.message : String(error) });
  }
  active -= 1;
  if (!process.connected && active === 0 && !handing) await quit();
}

function letGo(mountpoint: string): void {
  const mount = kept.get(mountpoint);
  kept.delete(mountpoint);
  if (mount === undefined) return;
  close(mount.device);
  close(mount.state);
}

// Answers what was read and reads no more, so that nothing is in flight when the successor begins.
async function handOver(): Promise<HandedMount[]> {
  handing = true;
  const mounts = [...kept.values()];
  kept.clear(); // the ends of these mounts' service must not close what is about to be sent
  return Promise.all(mounts.map(async (mount) => ({ ...mount, kept: await served.get(mount.spec.mountpoint)?.stop() })));
}

async function quit(): Promise<void> {
  await Promise.all([...served.values()].map((mount) => mount.stop()));
  for (const engine of engines.values()) await (await engine).close();
  process.exit(0);
}

function handle(message: ToServer): void {
  switch (message.type) {
    case "serve":
      void serve(message);
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
  if (active === 0 || handoverPath === undefined) process.exit(0);
  offerHandover(handoverPath, handOver, () => void quit());
});
tell({ type: "ready" });
