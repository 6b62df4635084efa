// Mounts that the last daemon left when it died: with its server, which goes on serving, or with the service manager. They go on under
// this one.
import { Handover, type HandedMount } from "../engine/handover.ts";
import type { Log } from "../log.ts";
import { within } from "../within.ts";
import type { FdStore } from "./fd-store.ts";
import { takeListenFds } from "./sd-notify.ts";
import type { ServerProcess } from "./server-process.ts";

/** A start waits so long for mounts that are taken over; those of a storage that hangs come when it answers. */
const WAIT_MS = 5_000;

export interface TakeOverOptions {
  /** Where an orphaned server offers its mounts. */
  readonly handoverPath: string;
  readonly server: ServerProcess;
  readonly fdStore: FdStore;
  readonly log: Log;
  /** A mount came after the start has gone on: `take` takes it over. */
  readonly late: (take: () => Promise<void>) => void;
}

/** Resolves, to what is to be closed at the end, when all are taken over or those that are left take long. */
export async function takeOverMounts({ handoverPath, server, fdStore, log, late }: TakeOverOptions): Promise<Handover> {
  const take = async (mount: HandedMount): Promise<void> => {
    const { mountpoint } = mount.spec;
    try {
      await server.resume(mount);
      log.info({ mount: mountpoint }, "mount taken over");
    } catch (error) {
      // It is dead now, and the plan sees to it.
      log.error({ mount: mountpoint, error: String(error) }, "mount was not taken over");
    }
  };
  const taken = fdStore.recover(takeListenFds(process.env)).map(take);
  let goneOn = false;
  const handover = new Handover(handoverPath, (mount) => {
    if (goneOn) late(() => take(mount));
    else taken.push(take(mount));
  });
  // Until the next server has a mount nobody serves it, and it dies with this process.
  if (handover.offered) await within(server.start(), WAIT_MS, undefined);
  handover.begin();
  const all = handover.done.then(() => Promise.all(taken));
  await within(all, WAIT_MS, undefined);
  goneOn = true;
  return handover;
}
