// HMPERSIST_FAILPOINT=adopt:STEP ends the process with SIGKILL at that step of an adoption: how the tests prove that each can be
// finished by a second run. Read nowhere else; unset, it does nothing.

export const ADOPT_STEPS = ["copying", "copied", "verified", "noted", "stored", "leaving", "left", "taken", "removing", "removed"] as const;
export type AdoptStep = (typeof ADOPT_STEPS)[number];

export function failpoint(step: AdoptStep): void {
  if (process.env["HMPERSIST_FAILPOINT"] === `adopt:${step}`) process.kill(process.pid, "SIGKILL");
}
