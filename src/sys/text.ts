// Showing names to people: a file name may hold any byte, and must never drive a terminal or forge a log line.

// C0, DEL and C1 (CSI among them), line and paragraph separators, marks and overrides of direction, what was no UTF-8.
const UNFIT = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffd]/g;

/** `text` with control characters, escapes and bidirectional overrides written as \n, \t, \x1b or \u202e. */
export const printable = (text: string): string =>
  text.replace(UNFIT, (char) => {
    if (char === "\n") return "\\n";
    if (char === "\t") return "\\t";
    const code = char.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });

/** Likewise, for text of several lines. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n");

/** The same JSON, but what a terminal would act on is escaped: JSON itself lets C1 and bidirectional characters stand. */
export const printableJson = (json: string): string =>
  json.replace(UNFIT, (char) => (char === "\n" ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`));

/** Like `printable`, for a name that is bytes; one that is not UTF-8 shows its odd bytes as \xNN. */
export function printableBytes(name: Uint8Array): string {
  const text = Buffer.from(name).toString("utf8");
  if (Buffer.from(text, "utf8").equals(name)) return printable(text);
  return printable(Buffer.from(name).toString("latin1")).replace(/[\u0080-\u00ff]/g, (char) => `\\x${char.charCodeAt(0).toString(16)}`);
}
