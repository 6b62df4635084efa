// A real terminal: the program in a tmux server of its own, seen as a person sees it.
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Sandbox } from "../helpers/sandbox.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/hmpersist.js", import.meta.url));
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export class Terminal {
  readonly #sandbox: Sandbox;
  readonly #socket = `hmpersist-${randomUUID()}`;

  private constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /** Runs the program in a new terminal; "exit N" stands on the screen when it has ended. */
  static async run(sandbox: Sandbox, args: readonly string[], { columns, rows }: Size, env: NodeJS.ProcessEnv = {}): Promise<Terminal> {
    const terminal = new Terminal(sandbox);
    const settings = Object.entries({ ...sandbox.env, ...env }).map(([name, value]) => quote(`${name}=${value ?? ""}`));
    const command = ["env", ...settings, process.execPath, PROGRAM, ...args.map(quote)].join(" ");
    await terminal.#tmux(
      "-f",
      "/dev/null",
      "new-session",
      "-d",
      "-x",
      String(columns),
      "-y",
      String(rows),
      `trap : INT; ${command}; echo exit $?; sleep 1000`,
    );
    return terminal;
  }

  async #tmux(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#sandbox.exec("tmux", ["-u", "-L", this.#socket, ...args]);
    if (code !== 0) throw new Error(`tmux ${args[0]}: ${stderr}`);
    return stdout;
  }

  /** What is to be seen; with `colours`, escape sequences too. */
  screen(colours = false): Promise<string> {
    return this.#tmux("capture-pane", "-p", ...(colours ? ["-e"] : []));
  }

  /** Presses keys, by tmux's names for them. */
  async press(...keys: string[]): Promise<void> {
    for (const key of keys) await this.#tmux("send-keys", key);
  }

  /** Waits until the screen matches, and gives it. */
  async see(wanted: RegExp, ms = 20_000): Promise<string> {
    const end = Date.now() + ms;
    for (;;) {
      const screen = await this.screen();
      if (wanted.test(screen)) return screen;
      if (Date.now() > end) throw new Error(`${wanted} is not to be seen within ${ms} ms:\n${screen}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async close(): Promise<void> {
    await this.#tmux("kill-server");
  }
}

/** Runs `body` with the program in a terminal, and closes it. */
export async function inTerminal(
  sandbox: Sandbox,
  args: readonly string[],
  size: Size,
  body: (terminal: Terminal) => Promise<void>,
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  const terminal = await Terminal.run(sandbox, args, size, env);
  try {
    await body(terminal);
  } finally {
    await terminal.close();
  }
}
