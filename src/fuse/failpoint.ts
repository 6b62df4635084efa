// Deaths on order, for the tests. HMPERSIST_FAILPOINT is a list, with commas, of
//   serve:OPCODE:TEXT   a request with this name (or payload that begins so) kills the process with SIGKILL before it is run
//   read:OPCODE:TEXT    such a request does so before anything is noted of it
//   served:OPCODE:TEXT  such a request does so when it was run and is not answered yet, unless it was redelivered
//   starve:OPCODE:TEXT  such a request fills the thread's heap, before it is run, until V8 gives up
//   serve:RESEND        the kernel seems not to redeliver requests (before 6.9)
// Unset, it does nothing.
import type { Op } from "./abi/ops.ts";
import type { Request } from "./codec/request.ts";

const points = (process.env["HMPERSIST_FAILPOINT"] ?? "").split(",").filter((point) => /^(read|served?|starve):/.test(point));

/** Whether there are any: the only question a request is asked otherwise. */
export const failpoints = points.length > 0;
export const neverRedelivered = points.includes("serve:RESEND");

export function failpoint(when: "read" | "serve" | "served", op: Op, req: Request): void {
  const { bytes } = req.mem;
  for (const point of points) {
    const [wanted, opcode, text = ""] = point.split(":");
    if ((wanted === "starve" ? "serve" : wanted) !== when || opcode !== op.name) continue;
    const at = op.names > 0 ? req.name0 : req.payload;
    if (bytes.toString("latin1", at, at + text.length) !== text || (op.names > 0 && bytes[at + text.length] !== 0)) continue;
    if (wanted === "starve") for (const hoard: number[][] = []; ;) hoard.push(Array.from({ length: 100_000 }, Math.random));
    process.kill(process.pid, "SIGKILL");
  }
}
