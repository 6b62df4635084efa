// The control socket under random bytes, cut anywhere, on many connections at once: each request is answered, and the daemon goes on.
import { createConnection } from "node:net";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { listen } from "../../src/daemon/control/server.ts";
import { parseRequest } from "../../src/daemon/control/protocol.ts";
import { deadline } from "../helpers/deadline.ts";
import { removeTree } from "../helpers/temp.ts";
import { fuzz, TIMEOUT_MS } from "./fuzz.ts";

const LATE_MS = 20_000;

/** Sends `pieces` one by one and resolves to the replies, as lines. */
async function say(path: string, pieces: readonly Buffer[]): Promise<string[]> {
  const socket = createConnection(path);
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.on("close", resolve));
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await deadline("the end of a connection", LATE_MS, closed);
  return text.split("\n").slice(0, -1);
}

const line = fc.oneof(
  fc.constantFrom(
    '{"command":"status"}',
    '{"command":"plan"}',
    '{"command":"unmount","lazy":false,"targets":["/x"]}',
    '{"command":"apply"}',
  ),
  fc.json({ maxDepth: 4 }),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 10)).toString("latin1")),
  fc
    .dictionary(fc.constantFrom("command", "lazy", "targets", "config", "restartServer", "__proto__"), fc.jsonValue({ maxDepth: 2 }))
    .map((value) => JSON.stringify(value)),
);
const talk = fc.record({
  lines: fc.array(line, { maxLength: 6 }),
  cuts: fc.array(fc.nat({ max: 200 }), { maxLength: 8 }),
  rest: fc.boolean(),
});

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((at) => Math.min(at, bytes.length)).sort((a, b) => a - b), bytes.length];
  return places
    .slice(1)
    .map((end, index) => bytes.subarray(places[index], end))
    .filter((piece) => piece.length > 0);
}

describe("7. Input is checked before it is used.", () => {
  test("fuzz: control messages", { timeout: TIMEOUT_MS }, async () => {
    const directory = mkdtempSync(join(tmpdir(), "hmpersist-control-"));
    const path = join(directory, "socket");
    const heard: unknown[] = [];
    const handler = async (request: unknown): Promise<unknown> => {
      heard.push(request);
      await new Promise((resolve) => setImmediate(resolve));
      return "heard";
    };
    const server = await listen(path, handler, pino({ level: "silent" }));
    try {
      await fuzz(
        fc.asyncProperty(fc.array(talk, { minLength: 1, maxLength: 8 }), async (talks) => {
          heard.length = 0;
          const answers = await Promise.all(
            talks.map(({ lines, cuts, rest }) =>
              say(path, cut(Buffer.from(`${lines.map((one) => `${one}\n`).join("")}${rest ? "half" : ""}`), cuts)),
            ),
          );
          const valid = talks.flatMap(({ lines }) => lines).filter((one) => parseRequest(one) !== undefined);
          for (const [index, replies] of answers.entries()) {
            const expected = (talks[index]?.lines ?? []).map((one) => parseRequest(one) !== undefined);
            expect(replies.map((reply) => (JSON.parse(reply) as { ok: boolean }).ok)).toEqual(expected);
          }
          expect(heard).toHaveLength(valid.length);
          expect(await say(path, [Buffer.from('{"command":"status"}\n')])).toEqual(['{"ok":true,"result":"heard"}']);
        }),
      );
    } finally {
      server.close();
      removeTree(directory);
    }
  });
});
