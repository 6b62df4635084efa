// A review of the home, with a line on standard error that says how far it is.
import { formatCount } from "../format.ts";
import { reviewHome, type EphemeralOptions, type EphemeralReport } from "../review/ephemeral.ts";
import { printable } from "../sys/text.ts";
import { progressLine } from "./progress.ts";
import type { ReviewConfig } from "./review-config.ts";

export async function reviewWithProgress({ config }: ReviewConfig, options: EphemeralOptions): Promise<EphemeralReport> {
  const line = progressLine(process.stderr);
  try {
    return await reviewHome(config, options, ({ files, path }) => line.show(`${formatCount(files)} files  ~/${printable(path)}`));
  } finally {
    line.clear();
  }
}
