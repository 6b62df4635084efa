// Bytes of a terminal as keys. A chunk may hold several keys: whoever types fast, or pastes, must not lose any (ink's own hook takes
// a chunk for one key).

const NAMED: Record<string, string> = {
  "\x1b[A": "up",
  "\x1bOA": "up",
  "\x1b[B": "down",
  "\x1bOB": "down",
  "\x1b[C": "right",
  "\x1bOC": "right",
  "\x1b[D": "left",
  "\x1bOD": "left",
  "\x1b[5~": "pageup",
  "\x1b[6~": "pagedown",
  "\x1b[H": "home",
  "\x1b[1~": "home",
  "\x1b[F": "end",
  "\x1b[4~": "end",
  "\x1b": "escape",
  "\r": "enter",
  "\n": "enter",
  "\x7f": "backspace",
  "\b": "backspace",
  "\x03": "interrupt",
  " ": "space",
};

/** "up", "enter", ... or the character itself; sequences nobody knows are left out. */
export const keysIn = (chunk: string): string[] =>
  (chunk.match(/\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Z]|[^]/gu) ?? []).flatMap((token) => {
    const named = NAMED[token];
    if (named !== undefined) return [named];
    return token.length > 1 && token.startsWith("\x1b") ? [] : [token];
  });
