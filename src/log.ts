// The daemon's log: one JSON object a line (pino) for the journal, a short human line on a terminal. Message texts are constant, so
// that they grep; what varies is in the fields `mount`, `link`, `op`, `errno`, `ms`.
import { pino, type Logger } from "pino";
import { printable, printableJson } from "./sys/text.ts";

export type Log = Logger;

const LEVELS: Record<number, string> = { 10: "trace", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "fatal" };

/** One line for people: "12:31:02 warning link healed (link=/home/jane/.bashrc)". Names in it cannot drive the terminal. */
function humanLine(json: string): string {
  const { level, time, msg, pid: _pid, hostname: _host, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const clock = new Date(Number(time)).toTimeString().slice(0, 8);
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const word = Number(level) === 30 ? "" : `${LEVELS[Number(level)] ?? "info"} `;
  return `${clock} ${word}${printable([String(msg), ...rest].join("  "))}\n`;
}

export function createLog(level = "info", human = process.stderr.isTTY): Log {
  const write = human
    ? (line: string) => process.stderr.write(humanLine(line))
    : (line: string) => process.stderr.write(printableJson(line));
  // A log that cannot be written, for want of room or of a reader, loses lines and ends nobody.
  process.stderr.on("error", () => {});
  // systemd reads the priority of a line from a "<N>" prefix only with SyslogLevelPrefix; the level field serves journalctl -o json.
  return pino({ level, base: null }, { write });
}
