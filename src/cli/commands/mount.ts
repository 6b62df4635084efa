// `hmpersist mount`: the daemon in the foreground, or started in the background and waited for.
import { absoluteSettings, checkSettings, type Settings } from "../settings.ts";

export interface MountOptions extends Settings {
  readonly json?: true;
  readonly foreground?: true;
  readonly trace?: true;
  readonly logLevel: string;
}

export async function mount(options: MountOptions): Promise<void> {
  checkSettings(options);
  const settings = absoluteSettings(options);
  if (options.foreground === true) return (await import("../foreground.ts")).runForeground(options, settings);
  return (await import("../background.ts")).startBackground(options);
}
