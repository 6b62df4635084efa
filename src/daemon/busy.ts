// Words for a mount that cannot be unmounted because it is in use.
import type { Holder } from "../mount/holders.ts";

const SHOWN = 5;

export function describeHolders(holders: readonly Holder[]): string {
  if (holders.length === 0) return "busy: held by a process of another user, or by a mount inside it";
  const shown = holders.slice(0, SHOWN).map((holder) => `${holder.command} (pid ${holder.pid}: ${holder.path})`);
  const more = holders.length > SHOWN ? ` and ${holders.length - SHOWN} more` : "";
  return `busy: held by ${shown.join(", ")}${more}`;
}
