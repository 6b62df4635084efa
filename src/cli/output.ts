// Words on a terminal: colour, symbols, columns, sizes and ages. Colour only where somebody looks (a terminal, NO_COLOR unset), and
// every name that comes from a file system goes through `printable` (sys/text.ts) before it gets here: escapes in cells are ours.
import cliTruncate from "cli-truncate";
import stringWidth from "string-width";
import wrapAnsi from "wrap-ansi";

const SGR = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] } as const;
export type Colour = keyof typeof SGR;

/** How to write to one stream. */
export interface Style {
  readonly colour: boolean;
  /** Columns of the terminal; Infinity where there is none, so nothing is cut that a script may want. */
  readonly width: number;
  /** May symbols outside ASCII be used? */
  readonly unicode: boolean;
  paint(colour: Colour, text: string): string;
}

/** A style with these properties; `style(stream)` asks the stream instead. */
export const makeStyle = (options: { colour: boolean; width: number; unicode?: boolean }): Style => ({
  colour: options.colour,
  width: options.width,
  unicode: options.unicode ?? true,
  paint: (colour, text) => (options.colour && text !== "" ? `\x1b[${SGR[colour][0]}m${text}\x1b[${SGR[colour][1]}m` : text),
});

/** The terminal's size. One that does not know it (a serial console, `script`) says 0. */
export const screenSize = (stream: { columns?: number; rows?: number }): { columns: number; rows: number } => ({
  columns: stream.columns || 80,
  rows: stream.rows || 24,
});

/** What `stream` can show. NO_COLOR (no-color.org) and TERM=dumb turn colour off; a C locale turns symbols into ASCII. */
export function style(stream: { isTTY?: boolean; columns?: number }, env: NodeJS.ProcessEnv = process.env): Style {
  const terminal = stream.isTTY ?? false;
  return makeStyle({
    colour: terminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb",
    width: terminal ? Math.max(screenSize(stream).columns, 20) : Infinity,
    unicode: isUtf8(env),
  });
}

const isUtf8 = (env: NodeJS.ProcessEnv): boolean => {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  // Without any locale set (a systemd unit, a container) UTF-8 is what everything else assumes too.
  return locale === "" || /utf-?8/i.test(locale);
};

/** How well something is, and the symbol that says so. */
export type Health = "ok" | "warning" | "problem" | "unknown";

const SYMBOLS = {
  ok: { colour: "green", unicode: "\u2714", ascii: "+" },
  warning: { colour: "yellow", unicode: "\u25b2", ascii: "!" },
  problem: { colour: "red", unicode: "\u2718", ascii: "x" },
  unknown: { colour: "dim", unicode: "\u25cb", ascii: "-" },
} as const satisfies Record<Health, { colour: Colour; unicode: string; ascii: string }>;

export const symbol = (health: Health, style: Style): string => {
  const { colour, unicode, ascii } = SYMBOLS[health];
  return style.paint(colour, style.unicode ? unicode : ascii);
};

/** The colour in which words about something of this health are written. */
export const healthColour = (health: Health): Colour => SYMBOLS[health].colour;

/** Cuts `text` to `width` columns, whatever its colours; a path loses its middle, since its end tells most. */
export const fit = (text: string, width: number, position: "end" | "middle" = "end"): string =>
  width === Infinity || stringWidth(text) <= width ? text : cliTruncate(text, Math.max(width, 1), { position });

/** Breaks a line at words, the rest behind `indent`; what is too long for a line of its own is broken anywhere. */
export function wrap(line: string, indent: string, style: Style, lead = /^ */.exec(line)?.[0] ?? ""): string[] {
  const text = line.trimStart();
  if (style.width === Infinity) return [lead + text];
  const width = Math.max(style.width - Math.max(indent.length, lead.length), 12);
  const [first = "", ...rest] = wrapAnsi(text, width, { hard: true, trim: true }).split("\n");
  return [lead + first, ...rest.map((part) => indent + part)];
}

export interface Column {
  readonly align?: "left" | "right";
  /** May be cut; other columns are dropped before it gets narrower than this. */
  readonly shrink?: number;
  readonly cut?: "end" | "middle";
  /** Left out where there is no room, the highest first. */
  readonly drop?: number;
}

const GAP = 2;

/** Rows as lines of aligned columns, no wider than `width`. Columns without any content are left out. */
export function table(rows: readonly (readonly string[])[], columns: readonly Column[], width: number): string[] {
  const content = columns.map((_, index) => Math.max(0, ...rows.map((row) => stringWidth(row[index] ?? ""))));
  const widths = fitColumns(content, columns, width);
  return rows.map((row) => {
    const cells: string[] = [];
    widths.forEach((columnWidth, index) => {
      if (columnWidth === 0) return;
      const cell = fit(row[index] ?? "", columnWidth, columns[index]?.cut);
      const padding = " ".repeat(Math.max(0, columnWidth - stringWidth(cell)));
      cells.push(columns[index]?.align === "right" ? padding + cell : cell + padding);
    });
    return cells.join(" ".repeat(GAP)).trimEnd();
  });
}

function fitColumns(content: readonly number[], columns: readonly Column[], width: number): number[] {
  const widths = [...content];
  const total = (): number => widths.reduce((sum, w) => (w === 0 ? sum : sum + w + GAP), -GAP);
  const shrinkable = (): number => widths.reduce((sum, w, index) => sum + Math.max(0, w - Math.min(w, columns[index]?.shrink ?? w)), 0);
  const dropOrder = columns
    .map((column, index) => ({ index, drop: column.drop ?? 0 }))
    .filter(({ drop }) => drop > 0)
    .sort((a, b) => b.drop - a.drop);
  for (const { index } of dropOrder) {
    if (total() - shrinkable() <= width) break;
    widths[index] = 0;
  }
  columns.forEach((column, index) => {
    const w = widths[index] ?? 0;
    if (column.shrink === undefined || total() <= width) return;
    widths[index] = Math.max(Math.min(w, column.shrink), w - (total() - width));
  });
  // A terminal too narrow for even that: better cut more than wrap.
  columns.forEach((column, index) => {
    if (column.shrink !== undefined && total() > width) widths[index] = Math.max(1, (widths[index] ?? 0) - (total() - width));
  });
  return widths;
}
