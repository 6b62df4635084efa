// Sizes, counts and ages as people read them, and as they write them.
import { HmpersistError } from "./errors.ts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** "0 B", "812 B", "1.4 KiB", "23 MiB": three significant digits at most. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** "812", "1.4k", "23M". */
export function formatCount(count: number): string {
  if (count < 1000) return String(count);
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < 4) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)}${" kMGT"[unit]}`;
}

const AGES: readonly (readonly [seconds: number, unit: string])[] = [
  [365 * 86_400, "y"],
  [86_400, "d"],
  [3600, "h"],
  [60, "m"],
];

/** A span of milliseconds as its largest unit: "now", "42s", "5m", "3h", "12d", "2y". */
export function formatAge(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return "now";
  for (const [size, unit] of AGES) if (seconds >= size) return `${Math.floor(seconds / size)}${unit}`;
  return `${seconds}s`;
}

/** "just now", "5m ago". */
export const ago = (ms: number): string => (ms < 1000 ? "just now" : `${formatAge(ms)} ago`);

/** "500", "10k", "1.5MiB", "2G" as bytes; k, M, G are powers of 1024. Throws HMP_USAGE. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null) throw new HmpersistError("HMP_USAGE", `${JSON.stringify(text)} is not a size`, "write it like 500k, 10M or 1.5GiB");
  return Number(match[1]) * 1024 ** ["", "k", "m", "g", "t"].indexOf((match[2] ?? "").toLowerCase());
}

const SPANS: Record<string, number> = { s: 1, m: 60, min: 60, h: 3600, d: 86_400, w: 7 * 86_400, y: 365 * 86_400 };

/** "90s", "2h", "3d" before `now`, or a date ("2026-11-21", "2026-11-21T08:00"), as milliseconds since 1970. Throws HMP_USAGE. */
export function parseSince(text: string, now = Date.now()): number {
  const span = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim());
  const unit = span === null ? undefined : SPANS[(span[2] ?? "").toLowerCase()];
  if (span !== null && unit !== undefined) return now - Number(span[1]) * unit * 1000;
  // A bare date is meant in local time, unlike Date.parse's reading of it.
  const date = Date.parse(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text);
  if (Number.isNaN(date) || !/^\d{4}-/.test(text)) {
    throw new HmpersistError(
      "HMP_USAGE",
      `${JSON.stringify(text)} is neither a span of time nor a date`,
      "write it like 30m, 2h, 3d or 2026-11-21",
    );
  }
  return date;
}
