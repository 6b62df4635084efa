// The figures of a run as text.
import type { SoakOptions } from "./options.ts";
import type { Figures } from "./soak.ts";

export function summary(options: SoakOptions, figures: Figures): string {
  const faults = Object.entries(figures.faults)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
  const [first, last] = [figures.checkpoints[0], figures.checkpoints.at(-1)];
  return [
    `seed ${options.seed}, as ${options.as}, ${options.minutes} min: nothing lost`,
    `${figures.operations} operations, ${(figures.bytes / 2 ** 20).toFixed(0)} MiB written and compared, ${figures.healed} healings`,
    `faults: ${faults}`,
    `${figures.refused} operations refused by a full or read-only storage, ${figures.lost} open files without a name ended with their server`,
    `memory (PSS) of daemon + server: ${mib(first)} MiB first, ${mib(last)} MiB at the end`,
  ].join("\n");
}

const mib = (at: Figures["checkpoints"][number] | undefined): string => (at === undefined ? "?" : (at.daemonMiB + at.serverMiB).toFixed(0));
