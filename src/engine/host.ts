// Entry point of the server process: serves mounts, and never looks at a path below one of them. Everything it needs arrives from the
// daemon; it makes no decision of its own. When the daemon is gone it goes on serving (open files must not die with a supervisor)
// until the mounts are unmounted, or a new daemon takes them over and ends it.
import { close } from "../sys/file.ts";
import { raiseNofile } from "../sys/rlimit.ts";
import { receiveFds } from "../sys/socket.ts";
import type { Engine, EngineName, ServedMount } from "./engine.ts";
import { FD_SOCKET, type FromServer, type ToServer } from "./host-protocol.ts";

const engines = new Map<EngineName, Promise<Engine>>();
const served = new Map<string, ServedMount>();

function tell(message: FromServer): void {
  if (process.connected) process.send?.(message);
}

// Loaded on first use: an engine that is not asked for costs nothing.
function loadEngine(name: EngineName): Promise<Engine> {
  const known = engines.get(name);
  if (known !== undefined) return known;
  const engine =
    name === "kernel"
      ? import("../fuse/engine.ts").then((module) => module.createKernelEngine())
      : import("../fuse-native/engine.ts").then((module) => module.createFuseNativeEngine());
  engines.set(name, engine);
  return engine;
}

async function serve(message: Extract<ToServer, { type: "serve" }>): Promise<void> {
  const { mountpoint } = message.spec;
  // Taken off the socket at once and in order, before anything waits.
  const [device, state] = message.device ? (receiveFds(FD_SOCKET, 4096, 2, false)?.fds ?? []) : [];
  try {
    const engine = await loadEngine(message.engine);
    const mount = await engine.serve(message.spec, device, state === undefined ? undefined : { fd: state, resume: message.resume });
    served.set(mountpoint, mount);
    tell({ type: "serving", mountpoint });
    const reason = await mount.ended;
    served.delete(mountpoint);
    tell({ type: "ended", mountpoint, ...(reason === undefined ? {} : { reason }) });
    if (!process.connected && served.size === 0) await quit();
  } catch (error) {
    if (device !== undefined) closeQuietly(device);
    tell({ type: "failed", mountpoint, reason: error instanceof Error ? error.message : String(error) });
  }
}

function closeQuietly(fd: number): void {
  try {
    close(fd);
  } catch {
    // The engine had closed it already.
  }
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
process.on("message", handle);
// The daemon ends the server, not the terminal or the service manager.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
process.on("SIGHUP", () => {});
process.on("disconnect", () => {
  if (served.size === 0) process.exit(0);
});
tell({ type: "ready" });
