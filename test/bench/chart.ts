// The run as an SVG: one line a row, one dot a candidate, time relative to bindfs on a logarithmic scale, so that dots to the left of the
// red line are faster. No script, no font but the viewer's own.
import type { Result } from "./report.ts";

const STYLES: Readonly<Record<string, { readonly colour: string; readonly title: string }>> = {
  native: { colour: "#9aa0a6", title: "native" },
  "fuse-native": { colour: "#e8710a", title: "fuse-native" },
  shared: { colour: "#1a73e8", title: "shared" },
  exclusive: { colour: "#12307a", title: "exclusive" },
  "privileged-shared": { colour: "#5bb974", title: "shared, root" },
  privileged: { colour: "#0d652d", title: "exclusive, root" },
};
const LEFT = 250;
const WIDTH = 640;
const LINE = 19;
const RADIUS = 5;
const MIN = 0.005;
const MAX = 10;
const TICKS = [0.01, 0.1, 1, 10];
const LEGEND = 104;

const escape = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
const x = (ratio: number): string =>
  (LEFT + (WIDTH * Math.log(Math.min(Math.max(ratio, MIN), MAX) / MIN)) / Math.log(MAX / MIN)).toFixed(1);
const text = (at: string | number, y: number, content: string, attributes = ""): string =>
  `<text x="${at}" y="${y}" ${attributes}>${escape(content)}</text>`;
const dot = (at: string | number, y: number, colour: string): string =>
  `<circle cx="${at}" cy="${y}" r="${RADIUS}" fill="${colour}" fill-opacity="0.85"/>`;

function panel({ storage, rows, candidates, medians }: Result, top: number): { readonly parts: string[]; readonly bottom: number } {
  const shown = candidates.flatMap((name) => (STYLES[name] === undefined ? [] : [{ name, ...STYLES[name] }]));
  const parts = [
    text(LEFT, top + 14, `storage on ${storage}: time per operation, bindfs = 1 (further left is faster)`, `font-weight="bold"`),
  ];
  shown.forEach(({ colour, title }, index) => {
    const at = LEFT + index * LEGEND;
    parts.push(dot(at + RADIUS, top + 32, colour), text(at + 16, top + 36, title));
  });
  const first = top + 50;
  const bottom = first + rows.length * LINE;
  for (const tick of TICKS) {
    const stroke = tick === 1 ? "#c5221f" : "#dadce0";
    parts.push(`<line x1="${x(tick)}" x2="${x(tick)}" y1="${first}" y2="${bottom}" stroke="${stroke}"/>`);
    parts.push(text(x(tick), bottom + 14, String(tick), `text-anchor="middle"`));
  }
  rows.forEach((row, index) => {
    const y = first + index * LINE + LINE / 2;
    parts.push(`<line x1="${LEFT}" x2="${LEFT + WIDTH}" y1="${y}" y2="${y}" stroke="#f1f3f4"/>`);
    parts.push(text(LEFT - 8, y + 4, row.name, `text-anchor="end"`));
    const bindfs = medians(row.name, "bindfs");
    for (const { name, colour } of shown) {
      const mine = medians(row.name, name);
      if (mine !== undefined && bindfs !== undefined) parts.push(dot(x(mine.wall / bindfs.wall), y, colour));
    }
  });
  return { parts, bottom: bottom + 24 };
}

export function renderChart(results: readonly Result[]): string {
  const parts: string[] = [];
  let y = 10;
  for (const result of results) {
    const drawn = panel(result, y);
    parts.push(...drawn.parts);
    y = drawn.bottom + 16;
  }
  const size = `width="${LEFT + WIDTH + 20}" height="${y}" viewBox="0 0 ${LEFT + WIDTH + 20} ${y}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12" fill="#202124">\n<rect width="100%" height="100%" fill="#fff"/>\n${parts.join("\n")}\n</svg>\n`;
}
