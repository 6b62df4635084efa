// Who reaches the daemon, and what they can do to it.
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MAX_MESSAGE } from "../../src/daemon/control/protocol.ts";
import { deadline } from "../helpers/deadline.ts";
import { Sandbox, withSandbox } from "../helpers/sandbox.ts";

const NOBODY = 65_534;

const runtime = (sandbox: Sandbox): string => join(sandbox.base, "run/hmpersist");
const socketOf = (sandbox: Sandbox): string => join(runtime(sandbox), "control.sock");
const config = (sandbox: Sandbox): string =>
  sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["data"], files: ["notes"] } } });

interface Talk {
  readonly socket: Socket;
  /** What came back until the connection ended. */
  readonly all: Promise<string>;
}

function talk(path: string, send: string | Buffer = "", end = true): Talk {
  const socket = connect(path);
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  socket.on("error", () => {});
  socket.write(send);
  if (end) socket.end();
  const all = deadline(
    "the end of a connection",
    20_000,
    once(socket, "close").then(() => text),
  );
  return { socket, all };
}

/** Replies to `lines`, in their order. */
async function replies(path: string, lines: string): Promise<{ ok: boolean; code?: string }[]> {
  const text = await talk(path, lines).all;
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as { ok: boolean; code?: string }]));
}

describe("1. The control socket is its owner's.", () => {
  let sandbox: Sandbox;
  let socket: string;

  const expectAlive = async (): Promise<void> => expect((await sandbox.status()).daemon?.state).toBe("running");

  beforeAll(async () => {
    sandbox = new Sandbox("control", { as: "user" });
    socket = socketOf(sandbox);
    const { code, stderr } = await sandbox.run(["mount", "--config", config(sandbox)]);
    expect(`${code} ${stderr}`).toBe("0 ");
  });
  afterAll(() => sandbox.dispose());

  test("directory 0700, socket 0600, both of the owner", () => {
    for (const [path, mode] of [
      [runtime(sandbox), 0o700],
      [socket, 0o600],
    ] as const) {
      const stat = statSync(path);
      expect([stat.mode & 0o777, stat.uid]).toEqual([mode, sandbox.uid]);
    }
    for (const name of ["lock", "mounts.json", "daemon.log"])
      if (existsSync(join(runtime(sandbox), name))) expect(statSync(join(runtime(sandbox), name)).mode & 0o077, name).toBe(0);
  });

  test("another user cannot reach it, and is not heard where the file system lets them through; root is heard", async () => {
    const ask = `import socket,sys
s=socket.socket(socket.AF_UNIX)
try:
  s.connect(sys.argv[1]); s.sendall(b'{"command":"unmount","lazy":true}\\n'); s.settimeout(20); print("heard", len(s.recv(10)))
except OSError as e: print(type(e).__name__)`;
    const asNobody = (): string =>
      execFileSync("setpriv", [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "/usr/bin/python3", "-c", ask, socket], {
        encoding: "utf8",
      }).trim();
    expect(asNobody()).toBe("PermissionError");
    const opened = [join(sandbox.base, "run"), runtime(sandbox), socket];
    const modes = opened.map((path) => statSync(path).mode);
    for (const path of opened) chmodSync(path, 0o777);
    try {
      expect(["heard 0", "ConnectionResetError", "BrokenPipeError"]).toContain(asNobody());
    } finally {
      opened.forEach((path, index) => chmodSync(path, modes[index] ?? 0o700));
    }
    await expectAlive();
    expect(sandbox.mounts()).toHaveLength(1);
    expect(sandbox.log()).toContain("control connection refused");
    expect(await replies(socket, '{"command":"status"}\n')).toMatchObject([{ ok: true }]);
  });

  test("a message beyond the limit ends its connection, with or without an end of line", async () => {
    for (const message of ["x".repeat(MAX_MESSAGE + 1), `"${"x".repeat(MAX_MESSAGE)}"\n`]) {
      const { socket: one, all } = talk(socket, message, false);
      expect(await all).toBe("");
      one.destroy();
    }
    expect(await replies(socket, `${" ".repeat(MAX_MESSAGE - 100)}{"command":"status"}\n`)).toMatchObject([{ ok: true }]);
    await expectAlive();
  });

  test("garbage, deep JSON and unknown commands are answered; what follows on the connection, too", async () => {
    const wrong = [
      "",
      "{",
      "null",
      "[]",
      '"status"',
      "\u0000\u001b[31m",
      "[".repeat(1_000_000),
      `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`,
      '{"command":"shutdown"}',
      '{"command":"unmount"}',
      '{"command":"unmount","lazy":true,"targets":[1]}',
      '{"command":"apply","config":5}',
      '{"__proto__":{"command":"unmount","lazy":true}}',
      '{"command":{"toString":"status"}}',
    ];
    const answers = await replies(socket, `${wrong.join("\n")}\n{"command":"status"}\n`);
    expect(answers).toMatchObject([...wrong.map(() => ({ ok: false, code: "HMP_USAGE" })), { ok: true }]);
    expect(sandbox.mounts()).toHaveLength(1);
  });

  test("a slow sender and half a message keep nobody else waiting", async () => {
    const slow = Array.from({ length: 50 }, () => talk(socket, '{"command":', false));
    const byte = talk(socket, "", false);
    for (const character of '{"command":"status"}\n') {
      byte.socket.write(character);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expectAlive();
    byte.socket.end();
    expect(await byte.all).toMatch(/^\{"ok":true/);
    for (const { socket: one } of slow) one.destroy();
    await expectAlive();
  });

  test("one that sends and never reads gets its replies one by one, and only its own memory is filled", async () => {
    const greedy = connect(socket);
    greedy.on("error", () => {});
    greedy.pause();
    greedy.write("garbage\n".repeat(200_000));
    await expectAlive();
    const { pid = 0 } = (await sandbox.status()).daemon ?? {};
    const rss = Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    expect(rss).toBeLessThan(400_000);
    greedy.destroy();
    await expectAlive();
  });
});

describe("1. The control socket is its owner's.", () => {
  test("in a directory of somebody else's, or through a link, no daemon starts and nothing is changed there", () =>
    withSandbox("control-foreign", { as: "user" }, async (sandbox) => {
      const place = runtime(sandbox);
      mkdirSync(place, { mode: 0o755 });
      const foreign = await sandbox.run(["mount", "--config", config(sandbox)]);
      expect(foreign).toMatchObject({ code: 4, stderr: expect.stringMatching(/belongs to uid 0[^]*XDG_RUNTIME_DIR/) });
      execFileSync("rmdir", [place]);
      // A directory of the user's own, which would become 0700 and hold the socket.
      sandbox.ownDirectory(join(sandbox.base, "own"), 0o755);
      symlinkSync(join(sandbox.base, "own"), place);
      const linked = await sandbox.run(["mount", "--config", config(sandbox)]);
      expect(linked).toMatchObject({ code: 4, stderr: expect.stringMatching(/private directory/) });
      expect(statSync(join(sandbox.base, "own")).mode & 0o777).toBe(0o755);
      expect(execFileSync("ls", ["-A", join(sandbox.base, "own")], { encoding: "utf8" })).toBe("");
      expect(sandbox.mounts()).toEqual([]);
    }));

  test("a daemon in a directory of somebody else's, or behind a link, is not believed: nothing goes where it says", () =>
    withSandbox("control-strange", { as: "user" }, async (sandbox) => {
      const asked: string[] = [];
      const settings = { home: sandbox.home, storage: join(sandbox.base, "stolen"), directory: [], file: ["key"] };
      const strange = createServer((socket) => {
        socket.on("data", (data) => {
          asked.push(String(data));
          socket.end(`${JSON.stringify({ ok: true, result: { settings, file: null, entries: [], refusals: [], problems: [] } })}\n`);
        });
      });
      mkdirSync(settings.storage, { mode: 0o777 });
      chmodSync(settings.storage, 0o777);
      writeFileSync(join(sandbox.home, "key"), "secret");
      const other = join(sandbox.base, "other");
      mkdirSync(other);
      strange.listen(join(other, "control.sock"));
      await once(strange, "listening");
      chmodSync(join(other, "control.sock"), 0o777);
      try {
        for (const script of [`mv ${other} ${runtime(sandbox)}`, `mv ${runtime(sandbox)} ${other}; ln -s ${other} ${runtime(sandbox)}`]) {
          execFileSync("sh", ["-ec", script]);
          for (const args of [["adopt", join(sandbox.home, "key")], ["status"], ["plan"], ["unmount"], ["apply"], ["ephemeral"]]) {
            const { code, stderr } = await sandbox.run(args);
            expect([code, stderr], args[0]).toEqual([
              4,
              expect.stringMatching(/(belongs to uid 0|is no directory)\n {2}hint: set XDG_RUNTIME_DIR/),
            ]);
          }
        }
      } finally {
        strange.close();
      }
      expect(asked).toEqual([]);
      expect(readFileSync(join(sandbox.home, "key"), "utf8")).toBe("secret");
    }));

  test("whatever stands in the socket's place goes, not what it leads to; a directory is named", () =>
    withSandbox("control-stale", {}, async (sandbox) => {
      sandbox.ownDirectory(runtime(sandbox));
      const path = socketOf(sandbox);
      const precious = join(sandbox.base, "precious");
      writeFileSync(precious, "precious");
      const stale = createServer().listen(path);
      await once(stale, "listening");
      const things: [string, () => void][] = [
        ["a stale socket", () => {}],
        ["a link", () => symlinkSync(precious, path)],
        ["a dangling link", () => symlinkSync(join(sandbox.base, "nowhere"), path)],
        ["a file", () => writeFileSync(path, "file")],
      ];
      for (const [what, put] of things) {
        put();
        expect((await sandbox.run(["mount", "--config", config(sandbox)])).code, what).toBe(0);
        expect(lstatSync(path).isSocket(), what).toBe(true);
        expect((await sandbox.run(["unmount"])).code, what).toBe(0);
        execFileSync("rm", ["-f", path]);
      }
      stale.close();
      expect(readFileSync(precious, "utf8")).toBe("precious");
      expect(existsSync(join(sandbox.base, "nowhere"))).toBe(false);
      mkdirSync(path);
      chownSync(path, 0, 0);
      const directory = await sandbox.run(["mount", "--config", config(sandbox)]);
      expect(directory).toMatchObject({ code: 4, stderr: expect.stringMatching(/control socket cannot be made[^]*remove/) });
      expect(directory.stderr).not.toMatch(/\n\s+at /);
    }));
});
