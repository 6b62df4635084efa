// What is written is what is read: appends of several processes, direct I/O, files over 4 GiB, truncation.
import assert from "node:assert/strict";
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { O_CREAT, O_DIRECT, O_DSYNC, O_EXCL, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } from "../../../src/sys/constants.ts";
import { alignedBuffer, attempt, dialogue, fails, openAt, pread, pwrite, python, NotHere, type Cases } from "../calls.ts";
import { libc } from "../../../src/sys/libc.ts";
import { AT_FDCWD } from "../../../src/sys/constants.ts";
import { cstr } from "../../../src/sys/name.ts";
import { ERRNO } from "../../../src/sys/errno.ts";

const GiB = 2 ** 30;

export const content: Cases = {
  "what four processes append at the same time is all there, in whole records": async (directory) => {
    writeFileSync(`${directory}/log`, "");
    const writer = `import os, sys
fd = os.open("log", os.O_WRONLY | os.O_APPEND)
for n in range(500): os.write(fd, ("%s %06d %s\\n" % (sys.argv[1], n, "x" * 90)).encode())
`;
    await Promise.all(["a", "b", "c", "d"].map((name) => python(directory, writer, name)));
    const lines = readFileSync(`${directory}/log`, "utf8").split("\n").slice(0, -1);
    assert.equal(lines.length, 2_000);
    for (const name of ["a", "b", "c", "d"]) {
      const mine = lines.filter((line) => line.startsWith(name));
      assert.deepEqual(
        mine.map((line) => Number(line.slice(2, 8))),
        Array.from({ length: 500 }, (_, n) => n),
      );
    }
    for (const line of lines) assert.equal(line.length, 99);
  },
  "a descriptor loses O_APPEND and gets it back while it is open": async (directory) => {
    await python(
      directory,
      `import fcntl, os
fd = os.open("file", os.O_RDWR | os.O_CREAT | os.O_APPEND)
os.write(fd, b"0123456789")
fcntl.fcntl(fd, fcntl.F_SETFL, 0)
assert os.pwrite(fd, b"A", 2) == 1
os.lseek(fd, 4, 0)
os.write(fd, b"B")
fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
os.write(fd, b"C")
os.pwrite(fd, b"D", 0)  # as Linux has it: O_APPEND wins
assert open("file").read() == "01A3B56789CD", open("file").read()
`,
    );
  },
  "a small file is read as it was left, however often and in whatever way it is changed": async (directory) => {
    const program = `import mmap, os
to, back = os.pipe(), os.pipe()
if os.fork() == 0:
    os.close(to[1])
    kept = []
    while os.read(to[0], 1):
        fd = os.open("small", os.O_RDONLY if len(kept) % 2 else os.O_RDWR)
        text = os.read(fd, 65536)
        os.write(back[1], b"%06d" % len(text) + text)
        kept.append(fd)
        if len(kept) % 3 == 0: # now nobody has it open, now somebody has
            while kept: os.close(kept.pop())
    os._exit(0)
def seen():
    os.write(to[1], b"x")
    wanted = int(os.read(back[0], 6))
    text = b""
    while len(text) < wanted: text += os.read(back[0], wanted - len(text))
    return text
def put(name, text):
    with open(name, "wb") as file: file.write(text)
content = b"begin"
put("small", content)
assert seen() == content
for n in range(600):
    stamp = b"%06d" % n
    if n % 6 == 0:
        content = stamp * (1 + n % 50)
        put("small", content)
    elif n % 6 == 1:
        fd = os.open("small", os.O_WRONLY)
        os.pwrite(fd, stamp[3:], len(content) // 2)
        os.close(fd)
        content = content[: len(content) // 2] + stamp[3:] + content[len(content) // 2 + 3 :]
    elif n % 6 == 2:
        content = stamp * (1 + n % 7)
        put("new", content)
        os.rename("new", "small")
    elif n % 6 == 3:
        content = content[: len(content) - 2]
        os.truncate("small", len(content))
    elif n % 6 == 4:
        fd = os.open("small", os.O_RDWR)
        with mmap.mmap(fd, len(content)) as mapped: mapped[1:4] = stamp[3:]
        os.close(fd)
        content = content[:1] + stamp[3:] + content[4:]
    else:
        with open("small", "ab") as file: file.write(stamp)
        content += stamp
    found = seen()
    assert found == content, (n, found, content)
    if n % 4 == 0: assert seen() == content
os.close(to[1])
os.wait()
`;
    await python(directory, program);
  },
  "one process reads at once what another has written, also through a descriptor opened before": async (directory) => {
    writeFileSync(`${directory}/shared`, "");
    const reader = dialogue(
      directory,
      `import os, sys
fd = os.open("shared", os.O_RDONLY)
print("open")
for line in sys.stdin:
    n = int(line)
    print(os.pread(fd, 100, 0).decode(), os.fstat(fd).st_size, os.stat("shared").st_size)
`,
    );
    assert.equal(await reader.line(), "open");
    const fd = openSync(`${directory}/shared`, "r+");
    for (let round = 0; round < 50; round += 1) {
      const text = `round-${"+".repeat(round)}`;
      writeSync(fd, text, 0);
      reader.say(String(round));
      assert.equal(await reader.line(), `${text} ${text.length} ${text.length}`);
    }
    ftruncateSync(fd, 3);
    reader.say("0");
    assert.equal(await reader.line(), "rou 3 3");
    closeSync(fd);
    await reader.end();
  },
  "O_DIRECT reads what was written through the cache and the other way round": (directory) => {
    const file = `${directory}/file`;
    const direct = attempt(libc.openat, AT_FDCWD, cstr(file), O_RDWR | O_CREAT | O_DIRECT, 0o644);
    if (direct === -ERRNO.EINVAL) throw new NotHere("the storage has no O_DIRECT");
    assert.ok(direct >= 0, `open O_DIRECT: ${direct}`);
    const cached = openAt(file, O_RDWR);
    const block = alignedBuffer(65_536);
    block.fill("a");
    assert.equal(pwrite(direct, block, 0), block.length);
    const seen = Buffer.alloc(65_536);
    assert.equal(pread(cached, seen, 0), seen.length);
    assert.ok(seen.equals(block));
    seen.fill("b");
    pwrite(cached, seen, 4096);
    assert.equal(pread(direct, block, 4096), block.length);
    assert.ok(block.equals(seen));
    block.fill("c");
    pwrite(direct, block, 0);
    pread(cached, seen, 0);
    assert.ok(seen.equals(block));
    closeSync(direct);
    closeSync(cached);
  },
  "a file of 5 GiB is written and read at its far end": (directory) => {
    const file = `${directory}/large`;
    const fd = openSync(file, "w+");
    writeSync(fd, "begin", 0);
    writeSync(fd, "past 4 GiB", 4 * GiB + 17);
    writeSync(fd, "end", 5 * GiB - 3);
    closeSync(fd);
    assert.equal(statSync(file).size, 5 * GiB);
    const again = openSync(file, "r");
    const buffer = Buffer.alloc(10);
    pread(again, buffer, 4 * GiB + 17);
    assert.equal(buffer.toString(), "past 4 GiB");
    assert.equal(pread(again, buffer, 5 * GiB - 3), 3);
    assert.equal(pread(again, buffer, 5 * GiB), 0);
    closeSync(again);
    truncateSync(file, 4 * GiB + 1);
    assert.equal(statSync(file).size, 4 * GiB + 1);
    assert.ok(statSync(file).blocks * 512 < GiB, "the file is not sparse");
  },
  "truncation cuts and extends with zeroes, by path and by descriptor": (directory) => {
    const file = `${directory}/file`;
    writeFileSync(file, "0123456789".repeat(1000));
    truncateSync(file, 5);
    assert.equal(readFileSync(file, "utf8"), "01234");
    truncateSync(file, 8);
    assert.deepEqual(readFileSync(file), Buffer.from("01234\0\0\0"));
    const fd = openSync(file, "r+");
    ftruncateSync(fd, 2);
    ftruncateSync(fd, 4);
    assert.equal(fstatSync(fd).size, 4);
    closeSync(fd);
    assert.deepEqual(readFileSync(file), Buffer.from("01\0\0"));
    closeSync(openAt(file, O_WRONLY | O_TRUNC));
    assert.equal(statSync(file).size, 0);
  },
  "O_TRUNC empties a file that is opened for reading, where writing is permitted": (directory) => {
    const file = `${directory}/file`;
    for (const flags of [O_RDONLY, O_WRONLY, O_RDWR]) {
      writeFileSync(file, "content");
      const reader = openSync(file, "r");
      closeSync(openAt(file, flags | O_TRUNC));
      assert.equal(fstatSync(reader).size, 0);
      assert.equal(pread(reader, Buffer.alloc(10), 0), 0);
      closeSync(reader);
    }
  },
  "a write past the end leaves zeroes between": (directory) => {
    const fd = openSync(`${directory}/file`, "w+");
    writeSync(fd, "a", 0);
    writeSync(fd, "z", 10_000);
    closeSync(fd);
    const text = readFileSync(`${directory}/file`);
    assert.equal(text.length, 10_001);
    assert.ok(text.subarray(1, 10_000).every((byte) => byte === 0));
  },
  "O_EXCL creates once, among eight processes": async (directory) => {
    const taker = `import os
try: os.close(os.open("lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY)); print("mine")
except FileExistsError: print("taken")
`;
    const results = await Promise.all(Array.from({ length: 8 }, () => python(directory, taker)));
    assert.deepEqual(results.sort(), ["mine", ...Array<string>(7).fill("taken")]);
    fails("EEXIST", () => openAt(`${directory}/lock`, O_CREAT | O_EXCL | O_WRONLY));
  },
  "a file opened for writing only, O_SYNC or O_DSYNC holds partial pages": (directory) => {
    for (const flags of [0, O_SYNC, O_DSYNC]) {
      const file = `${directory}/file-${flags}`;
      writeFileSync(file, "x".repeat(10_000));
      const fd = openAt(file, O_WRONLY | flags);
      pwrite(fd, Buffer.from("YY"), 5_000);
      fails("EBADF", () => pread(fd, Buffer.alloc(1), 0));
      closeSync(fd);
      const text = readFileSync(file, "utf8");
      assert.equal(text, `${"x".repeat(5_000)}YY${"x".repeat(4_998)}`);
    }
  },
  "a file created read-only is written through the descriptor that created it": (directory) => {
    const fd = openAt(`${directory}/file`, O_CREAT | O_EXCL | O_RDWR, 0o444);
    pwrite(fd, Buffer.from("written"), 0);
    closeSync(fd);
    assert.equal(readFileSync(`${directory}/file`, "utf8"), "written");
    const none = openAt(`${directory}/none`, O_CREAT | O_EXCL | O_WRONLY, 0o000);
    pwrite(none, Buffer.from("written"), 0);
    closeSync(none);
    assert.equal(statSync(`${directory}/none`).size, 7);
  },
  "many small writes and overwrites read back byte for byte": (directory) => {
    const size = 300_000;
    const model = Buffer.alloc(size);
    const fd = openSync(`${directory}/file`, "w+");
    ftruncateSync(fd, size);
    let seed = 42;
    const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
    for (let step = 0; step < 2_000; step += 1) {
      const at = random(size - 5_000);
      const piece = Buffer.alloc(1 + random(5_000), random(256));
      piece.copy(model, at);
      pwrite(fd, piece, at);
      if (step % 50 === 0) {
        const seen = Buffer.alloc(10_000);
        const from = random(size - seen.length);
        pread(fd, seen, from);
        assert.ok(seen.equals(model.subarray(from, from + seen.length)), `step ${step}`);
      }
    }
    closeSync(fd);
    assert.ok(readFileSync(`${directory}/file`).equals(model));
  },
  "several processes write their own parts of one file and each part is whole": async (directory) => {
    writeFileSync(`${directory}/parts`, "");
    const writer = `import os, sys
n = int(sys.argv[1])
fd = os.open("parts", os.O_RDWR)
for k in range(64): os.pwrite(fd, bytes([65 + n]) * 3000, (k * 4 + n) * 3000)
`;
    await Promise.all([0, 1, 2, 3].map((n) => python(directory, writer, String(n))));
    const all = readFileSync(`${directory}/parts`);
    assert.equal(all.length, 64 * 4 * 3000);
    for (let part = 0; part < 256; part += 1) {
      const want = 65 + (part % 4);
      assert.ok(
        all.subarray(part * 3000, part * 3000 + 3000).every((byte) => byte === want),
        `part ${part}`,
      );
    }
  },
  "an open of a directory for writing is EISDIR and of a file as a directory ENOTDIR": (directory) => {
    writeFileSync(`${directory}/file`, "");
    fails("EISDIR", () => openAt(directory, O_RDWR));
    fails("ENOTDIR", () => openAt(`${directory}/file/below`, O_RDONLY));
    fails("ENOTDIR", () => openAt(`${directory}/file/`, O_RDONLY));
  },
};
