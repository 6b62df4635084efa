// Plans in words, one line each; shared by plan, apply, status and the log. A path is shown as it is: whoever prints it to a terminal
// passes the line through `printable`.
import type { Action, Plan, Refusal, UnmountReason } from "./types.ts";

const WHY: Record<UnmountReason, string> = {
  dead: "its server is gone",
  dropped: "no longer listed",
  changed: "listed differently now",
  replaced: "another directory stands in storage now",
  orphaned: "served by nobody of this daemon",
  nested: "a mount above it changes",
};

export function explainAction(action: Action): string {
  switch (action.type) {
    case "unmount":
      return `unmount ${action.target} (${WHY[action.why]})`;
    case "unlink":
      return `remove the link ${action.target} (no longer listed)`;
    case "mkdir-storage":
    case "mkdir-home":
      return `create ${action.path} (${action.mode.toString(8).padStart(4, "0")})`;
    case "adopt":
      return `move ${action.spec.target} into ${action.spec.source}`;
    case "mount":
      return `${action.spec.method === "bind" ? "bind" : "mount"} ${action.spec.source} at ${action.spec.target}${over(action.spec.onNonEmpty)}`;
    case "link":
      return `link ${action.spec.target} to ${action.spec.source}${replaced(action)}`;
  }
}

export const explainRefusal = ({ option, reason, hint }: Refusal): string => `${option}: ${reason}; ${hint}`;

/** Those of one cause share a line, so that a missing storage does not fill the screen. */
export function explainRefusals(refusals: readonly Refusal[]): string[] {
  const causes = new Map<string, Refusal[]>();
  for (const refusal of refusals) {
    const cause = `${refusal.reason}; ${refusal.hint}`;
    causes.set(cause, [...(causes.get(cause) ?? []), refusal]);
  }
  return [...causes].map(([cause, [first, ...more]]) => {
    const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
    return `refused: ${first?.option}${others}: ${cause}`;
  });
}

/** Refusals first. */
export function explainPlan(plan: Plan): string[] {
  const postponed = plan.postponed.map((target) => `then see to ${target}, once what stands there now is gone`);
  return [...explainRefusals(plan.refusals), ...plan.actions.map(explainAction), ...postponed];
}

const over = (onNonEmpty: string): string => (onNonEmpty === "shadow" ? ", over whatever is there" : "");

function replaced({ found, backup }: Extract<Action, { type: "link" }>): string {
  if (backup) return ", after setting aside what is there";
  if (found.type === "link") return `, which led to ${found.text}`;
  if (found.type === "file") return found.size === 0 ? ", in place of an empty file" : ", in place of a file with the same content";
  return "";
}
