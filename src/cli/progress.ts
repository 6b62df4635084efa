// A line that says how far something is, rewritten in place: on a terminal that can do that only, and gone when it is done.
import { fit, screenSize } from "./output.ts";

export interface ProgressLine {
  show(text: string): void;
  clear(): void;
}

export function progressLine(stream: NodeJS.WriteStream): ProgressLine {
  if (!stream.isTTY || process.env["TERM"] === "dumb") return { show: () => {}, clear: () => {} };
  let shown = false;
  return {
    show: (text) => {
      stream.write(`\r\x1b[K${fit(text, Math.max(screenSize(stream).columns - 1, 10), "middle")}`);
      shown = true;
    },
    clear: () => {
      if (shown) stream.write("\r\x1b[K");
      shown = false;
    },
  };
}
