// The run as an SVG: one group of bars a row, time relative to bindfs on a logarithmic scale, so that bars to the left of the line are
// faster. No script, no font but the viewer's own.
import type { Result } from "./report.ts";

const COLOURS: Readonly<Record<string, string>> = {
  native: "#9aa0a6",
  "fuse-native": "#d98c5f",
  shared: "#4c8bf5",
  exclusive: "#1b5fc1",
  "privileged-shared": "#5bb974",
  privileged: "#188038",
};
const LEFT = 260;
const WIDTH = 620;
const BAR = 9;
const GAP = 10;
const MIN = 0.01;
const MAX = 10;

const escape = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
const x = (ratio: number): number => LEFT + (WIDTH * Math.log(Math.min(Math.max(ratio, MIN), MAX) / MIN)) / Math.log(MAX / MIN);

export function renderChart(results: readonly Result[]): string {
  const parts: string[] = [];
  let y = 20;
  for (const { storage, rows, candidates, medians } of results) {
    const shown = candidates.filter((name) => name !== "bindfs");
    parts.push(
      `<text x="${LEFT}" y="${y}" font-weight="bold">storage on ${escape(storage)}: time per operation, bindfs = 1 (shorter is faster)</text>`,
    );
    y += 20;
    shown.forEach((name, index) => {
      const at = LEFT + index * 120;
      parts.push(
        `<rect x="${at}" y="${y - 9}" width="10" height="10" fill="${COLOURS[name] ?? "#555"}"/><text x="${at + 14}" y="${y}">${escape(name)}</text>`,
      );
    });
    y += 14;
    const top = y;
    for (const row of rows) {
      parts.push(`<text x="${LEFT - 8}" y="${y + (shown.length * BAR) / 2 + 4}" text-anchor="end">${escape(row.name)}</text>`);
      for (const name of shown) {
        const [mine, bindfs] = [medians(row.name, name), medians(row.name, "bindfs")];
        if (mine !== undefined && bindfs !== undefined) {
          const end = x(mine.wall / bindfs.wall);
          parts.push(
            `<rect x="${LEFT}" y="${y}" width="${(end - LEFT).toFixed(1)}" height="${BAR - 1}" fill="${COLOURS[name] ?? "#555"}"/>`,
          );
        }
        y += BAR;
      }
      y += GAP;
    }
    for (const tick of [0.01, 0.1, 1, 10]) {
      const stroke = tick === 1 ? "#c5221f" : "#ccc";
      parts.push(
        `<line x1="${x(tick)}" x2="${x(tick)}" y1="${top}" y2="${y}" stroke="${stroke}"/><text x="${x(tick)}" y="${y + 12}" text-anchor="middle">${tick}</text>`,
      );
    }
    y += 50;
  }
  const size = `width="${LEFT + WIDTH + 40}" height="${y}" viewBox="0 0 ${LEFT + WIDTH + 40} ${y}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n${parts.join("\n")}\n</svg>\n`;
}
