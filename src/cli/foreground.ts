// The daemon in this process: for service managers, and as the child that `hmpersist mount` waits for.
import { Daemon } from "../daemon/daemon.ts";
import { EXIT, HmpersistError } from "../errors.ts";
import { createLog } from "../log.ts";
import { endWithoutThreads } from "../sys/exit.ts";
import { raiseNofile } from "../sys/rlimit.ts";
import { announce, isBackground } from "./announce.ts";
import type { MountOptions } from "./commands/mount.ts";
import { loadSettings, type Settings } from "./settings.ts";

export async function runForeground(options: MountOptions, settings: Settings): Promise<void> {
  raiseNofile();
  // It has had its effect, and means nothing to the server.
  delete process.env["UV_THREADPOOL_SIZE"];
  const log = createLog(options.logLevel);
  const daemon = new Daemon({
    load: (file) => loadSettings(settings, file),
    settings,
    log,
    trace: options.trace === true,
    managed: process.env["NOTIFY_SOCKET"] !== undefined,
  });
  // A bug in one corner must not take the mounts down; it is logged with its stack.
  process.on("unhandledRejection", (error) => log.error({ err: error }, "unhandled rejection"));
  const stopped = stopOnSignal(daemon);
  process.on("SIGHUP", () => {
    daemon
      .apply()
      .catch((error: unknown) =>
        log.error({ detail: error instanceof HmpersistError ? error.message : String(error) }, "configuration refused, the old one stays"),
      );
  });
  try {
    const outcome = await daemon.start();
    if (isBackground()) announce({ outcome });
    else if (options.json === true || process.stdout.isTTY) (await import("./print.ts")).printReport(outcome.report, options);
  } catch (error) {
    if (!isBackground() || !(error instanceof HmpersistError)) throw error;
    announce({ error: { code: error.code, message: error.message, hint: error.hint } });
    process.exitCode = error.exitCode;
    return;
  }
  await stopped;
  endWithoutThreads();
  process.exitCode = EXIT.done;
}

function stopOnSignal(daemon: Daemon): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => void daemon.stop().then(resolve, reject);
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  });
}
