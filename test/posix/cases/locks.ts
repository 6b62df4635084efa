// flock(2) and fcntl(2) locks between processes, waiters included.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { dialogue, python, type Cases, type Dialogue } from "../calls.ts";

// Commands: "flock ex|sh|un [nb]", "posix rd|wr|un START LENGTH [wait]", "ofd ...". Answers "ok" or the errno's name.
const LOCKER = `import errno, fcntl, os, struct, sys, signal
fd = os.open("lock", os.O_RDWR)
signal.signal(signal.SIGUSR1, lambda *a: (_ for _ in ()).throw(InterruptedError(4, "signal")))
print(os.getpid())
def posix(kind, start, length, wait):
    data = struct.pack("hhqqi4x", {"rd": fcntl.F_RDLCK, "wr": fcntl.F_WRLCK, "un": fcntl.F_UNLCK}[kind], 0, start, length, 0)
    fcntl.fcntl(fd, fcntl.F_SETLKW if wait else fcntl.F_SETLK, data)
for line in sys.stdin:
    words = line.split()
    try:
        if words[0] == "flock": fcntl.flock(fd, {"ex": fcntl.LOCK_EX, "sh": fcntl.LOCK_SH, "un": fcntl.LOCK_UN}[words[1]] | (fcntl.LOCK_NB if "nb" in words else 0))
        elif words[0] == "posix": posix(words[1], int(words[2]), int(words[3]), "wait" in words)
        elif words[0] == "test":
            r = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, int(words[1]), int(words[2]), 0))
            kind, _, start, length, pid = struct.unpack("hhqqi4x", r)
            print("free" if kind == fcntl.F_UNLCK else "%d %d %d" % (start, length, pid)); continue
        elif words[0] == "reopen": os.close(os.open("lock", os.O_RDWR))
        print("ok")
    except OSError as e: print(errno.errorcode[e.errno])
`;

async function lockers(directory: string, count: number): Promise<Dialogue[]> {
  writeFileSync(`${directory}/lock`, "x".repeat(100));
  const all = Array.from({ length: count }, () => dialogue(directory, LOCKER));
  for (const one of all) await one.line();
  return all;
}
const ask = (one: Dialogue, command: string): Promise<string> => {
  one.say(command);
  return one.line();
};
const endAll = async (all: readonly Dialogue[]): Promise<void> => {
  for (const one of all) await one.end();
};
const quiet = (one: Dialogue, ms: number): Promise<string> =>
  Promise.race([one.line(), new Promise<string>((resolve) => setTimeout(() => resolve("(waiting)"), ms))]);

export const locks: Cases = {
  "flock excludes another process, shared locks do not exclude each other": async (directory) => {
    const [a, b] = (await lockers(directory, 2)) as [Dialogue, Dialogue];
    assert.equal(await ask(a, "flock ex nb"), "ok");
    assert.equal(await ask(b, "flock ex nb"), "EAGAIN");
    assert.equal(await ask(b, "flock sh nb"), "EAGAIN");
    assert.equal(await ask(a, "flock sh nb"), "ok");
    assert.equal(await ask(b, "flock sh nb"), "ok");
    assert.equal(await ask(a, "flock ex nb"), "EAGAIN");
    assert.equal(await ask(b, "flock un"), "ok");
    assert.equal(await ask(a, "flock ex nb"), "ok");
    await endAll([a, b]);
  },
  "a process that waits for a flock gets it when the holder ends": async (directory) => {
    const [a, b] = (await lockers(directory, 2)) as [Dialogue, Dialogue];
    assert.equal(await ask(a, "flock ex"), "ok");
    b.say("flock ex");
    assert.equal(await quiet(b, 200), "(waiting)");
    await a.end();
    // The answer of the wait above may have gone to the lost race; ask again, it holds the lock now.
    assert.equal(await ask(b, "flock ex nb"), "ok");
    await b.end();
  },
  "a waiter for a flock or an fcntl lock that gets a signal returns EINTR, the lock stays with its holder": async (directory) => {
    for (const [hold, wait] of [
      ["flock ex", "flock ex"],
      ["posix wr 0 10", "posix wr 0 10 wait"],
    ] as const) {
      const [a, b, other] = (await lockers(directory, 3)) as [Dialogue, Dialogue, Dialogue];
      assert.equal(await ask(a, hold), "ok");
      b.say(wait);
      await new Promise((resolve) => setTimeout(resolve, 200));
      b.child.kill("SIGUSR1");
      assert.equal(await b.line(), "EINTR");
      assert.equal(await ask(other, hold === "flock ex" ? "flock ex nb" : hold), "EAGAIN");
      await endAll([a, b, other]);
    }
  },
  "a waiter for a lock is killed by SIGKILL and the next one gets the lock": async (directory) => {
    const [a, b, other] = (await lockers(directory, 3)) as [Dialogue, Dialogue, Dialogue];
    assert.equal(await ask(a, "flock ex"), "ok");
    b.say("flock ex");
    await new Promise((resolve) => setTimeout(resolve, 200));
    const gone = new Promise((resolve) => b.child.on("exit", resolve));
    b.child.kill("SIGKILL");
    await gone;
    await a.end();
    assert.equal(await ask(other, "flock ex"), "ok");
    await other.end();
  },
  "fcntl locks exclude by byte range, and F_GETLK names the holder": async (directory) => {
    const [a, b] = (await lockers(directory, 2)) as [Dialogue, Dialogue];
    assert.equal(await ask(a, "posix wr 10 10"), "ok");
    assert.equal(await ask(b, "posix wr 0 10"), "ok");
    assert.equal(await ask(b, "posix rd 15 1"), "EAGAIN");
    assert.equal(await ask(b, "test 0 100"), `10 10 ${a.child.pid}`);
    assert.equal(await ask(a, "test 0 100"), `0 10 ${b.child.pid}`);
    assert.equal(await ask(a, "posix rd 10 10"), "ok");
    assert.equal(await ask(b, "posix rd 15 1"), "ok");
    assert.equal(await ask(a, "posix un 0 0"), "ok");
    assert.equal(await ask(b, "posix wr 10 10"), "ok");
    await endAll([a, b]);
  },
  "fcntl locks go with the first close of the file, flock stays": async (directory) => {
    const [a, b] = (await lockers(directory, 2)) as [Dialogue, Dialogue];
    assert.equal(await ask(a, "posix wr 0 10"), "ok");
    assert.equal(await ask(a, "flock ex"), "ok");
    assert.equal(await ask(a, "reopen"), "ok");
    assert.equal(await ask(b, "posix wr 0 10"), "ok");
    assert.equal(await ask(b, "flock ex nb"), "EAGAIN");
    await endAll([a, b]);
  },
  "fcntl locks that would wait for each other are EDEADLK": async (directory) => {
    const [a, b] = (await lockers(directory, 2)) as [Dialogue, Dialogue];
    assert.equal(await ask(a, "posix wr 0 1"), "ok");
    assert.equal(await ask(b, "posix wr 1 1"), "ok");
    a.say("posix wr 1 1 wait");
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.match(await ask(b, "posix wr 0 1 wait"), /^EDEADL/);
    assert.equal(await ask(b, "posix un 0 0"), "ok");
    assert.equal(await a.line(), "ok");
    await endAll([a, b]);
  },
  "twenty processes that count under a lock count to the end": async (directory) => {
    writeFileSync(`${directory}/lock`, "");
    writeFileSync(`${directory}/count`, "0");
    const counter = (how: string): string => `import fcntl
f = open("lock", "r+")
for n in range(20):
    fcntl.${how}(f, fcntl.LOCK_EX)
    with open("count") as c: value = int(c.read())
    with open("count", "w") as c: c.write(str(value + 1))
    fcntl.${how}(f, fcntl.LOCK_UN)
`;
    for (const how of ["flock", "lockf"]) await Promise.all(Array.from({ length: 10 }, () => python(directory, counter(how))));
    assert.equal(await python(directory, `print(open("count").read())`), "400");
  },
};
