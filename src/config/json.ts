// A strict JSON reader (RFC 8259) that knows where it is: JSON.parse gives no position for half of its errors on Node 20, and takes
// the last of two equal keys in silence, which here would drop a whole storage.

const MAX_DEPTH = 64;

export class JsonError extends Error {
  override readonly name = "JsonError";
  readonly line: number;
  /** In UTF-16 units from 1, as editors count. */
  readonly column: number;

  constructor(text: string, at: number, problem: string) {
    super(problem);
    const before = text.slice(0, at).split("\n");
    this.line = before.length;
    this.column = (before.at(-1) ?? "").length + 1;
  }
}

/** The value of `text`. Objects have no prototype, so "__proto__" is a key like any other. Throws JsonError. */
export function parseJson(text: string): unknown {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORDS: readonly (readonly [string, unknown])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

class Reader {
  readonly #text: string;
  #at: number;
  #comma = 0;

  constructor(text: string) {
    this.#text = text;
    this.#at = text.startsWith("\ufeff") ? 1 : 0;
  }

  value(depth: number): unknown {
    if (depth > MAX_DEPTH) this.#fail(`nested deeper than ${MAX_DEPTH}`);
    const next = this.#peek();
    if (next === "{") return this.#object(depth);
    if (next === "[") return this.#array(depth);
    if (next === '"') return this.#string();
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    const number = this.#match(NUMBER);
    if (number === undefined) this.#fail("expected a value");
    if (/[\d.]/.test(this.#text[this.#at] ?? "")) this.#fail("no such number in JSON (a mode is written as a string)");
    return Number(number);
  }

  end(): void {
    if (this.#peek() !== undefined) this.#fail("expected the end of the file");
  }

  #object(depth: number): object {
    const object = Object.create(null) as Record<string, unknown>;
    this.#at += 1;
    if (this.#peek() === "}") {
      this.#at += 1;
      return object;
    }
    for (;;) {
      if (this.#peek() === "}") this.#fail("a comma before the closing brace", this.#comma);
      if (this.#peek() !== '"') this.#fail("expected a key in double quotes");
      const start = this.#at;
      const key = this.#string();
      if (key in object) this.#fail(`the key ${JSON.stringify(key)} is there twice`, start);
      if (this.#peek() !== ":") this.#fail('expected ":" after the key');
      this.#at += 1;
      object[key] = this.value(depth + 1);
      if (this.#closes("}")) return object;
    }
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = [];
    this.#at += 1;
    if (this.#peek() === "]") {
      this.#at += 1;
      return array;
    }
    for (;;) {
      if (this.#peek() === "]") this.#fail("a comma before the closing bracket", this.#comma);
      array.push(this.value(depth + 1));
      if (this.#closes("]")) return array;
    }
  }

  /** After an element: past a comma (false) or past the end (true). */
  #closes(end: string): boolean {
    const next = this.#peek();
    if (next !== "," && next !== end) this.#fail(`expected "," or "${end}"`);
    this.#comma = this.#at;
    this.#at += 1;
    return next === end;
  }

  #string(): string {
    const start = this.#at;
    const literal = this.#match(STRING);
    if (literal !== undefined) return JSON.parse(literal) as string;
    // Where the string stops being one: at a bad escape, a raw control character or the end.
    const good = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;
    good.lastIndex = start;
    this.#at = start + (good.exec(this.#text)?.[0].length ?? 0);
    this.#fail(this.#text[this.#at] === "\\" ? "no such escape in a string" : "a string is not closed on its line");
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #peek(): string | undefined {
    while (" \t\n\r".includes(this.#text[this.#at] ?? "x")) this.#at += 1;
    return this.#text[this.#at];
  }

  #fail(problem: string, at = this.#at): never {
    const found = this.#text[at];
    throw new JsonError(this.#text, at, found === undefined ? `${problem}, found the end of the file` : problem);
  }
}
