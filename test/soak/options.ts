// What one run of the soak is asked for. The seed decides everything that chance decides, and who runs it unless `as` says so.
import { parseArgs } from "node:util";

/** root: FUSE_PASSTHROUGH; cached: root through the page cache (writeback in `exclusive`); user: through fusermount3. */
export type As = "root" | "cached" | "user";

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly clients: number;
  readonly as: As;
  /** Only these faults, by name; undefined: all. */
  readonly faults: readonly string[] | undefined;
  /** Milliseconds a client thinks at most between two operations, now and then. */
  readonly paceMs: number;
}

const KINDS: readonly As[] = ["root", "user", "cached"];

export function makeOptions(given: Partial<SoakOptions> = {}): SoakOptions {
  const seed = given.seed ?? Math.floor(Math.random() * 2 ** 31);
  const defaults = { minutes: 2, clients: 6, as: KINDS[seed % KINDS.length] as As, faults: undefined, paceMs: 3 };
  return { ...defaults, ...given, seed };
}

export function parseOptions(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string" },
      seed: { type: "string" },
      clients: { type: "string" },
      as: { type: "string" },
      faults: { type: "string" },
      pace: { type: "string" },
    },
  });
  const as = KINDS.find((kind) => kind === values.as);
  if (values.as !== undefined && as === undefined) throw new Error(`--as is one of ${KINDS.join(", ")}`);
  return makeOptions({
    ...number("minutes", values.minutes),
    ...number("seed", values.seed),
    ...number("clients", values.clients),
    ...number("paceMs", values.pace),
    ...(as === undefined ? {} : { as }),
    ...(values.faults === undefined ? {} : { faults: values.faults.split(",") }),
  });
}

function number(name: keyof SoakOptions, text: string | undefined): Partial<SoakOptions> {
  if (text === undefined) return {};
  if (!Number.isFinite(Number(text))) throw new Error(`--${name}: '${text}' is no number`);
  return { [name]: Number(text) };
}
