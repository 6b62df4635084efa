// sqlite is what browsers and desktops keep their state in: locks, fsync, and in WAL mode a file mapped by every process.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { python, type Cases } from "../calls.ts";

const writer = `import sqlite3, sys
db = sqlite3.connect("state.db", timeout=60, isolation_level=None)
mode = db.execute("pragma journal_mode=" + sys.argv[1]).fetchone()[0]
assert mode == sys.argv[1], mode
db.execute("create table if not exists t (who text, n integer, pad text)")
if sys.argv[2] != "init":
    for n in range(100):
        db.execute("begin immediate")
        db.execute("insert into t values (?, ?, ?)", (sys.argv[2], n, "x" * 300))
        db.execute("commit")
        if n % 20 == 0: db.execute("select count(*) from t").fetchone()
`;
const verify = `import sqlite3
db = sqlite3.connect("state.db")
assert db.execute("pragma integrity_check").fetchone()[0] == "ok"
print(db.execute("select count(*), count(distinct who || n) from t").fetchone())
`;

async function writers(directory: string, mode: string): Promise<void> {
  await python(directory, writer, mode, "init");
  await Promise.all(["a", "b", "c", "d"].map((who) => python(directory, writer, mode, who)));
  assert.equal(await python(directory, verify), "(400, 400)");
}

export const sqlite: Cases = {
  "sqlite in WAL mode keeps every row of four writing processes": (directory) => writers(directory, "wal"),
  "sqlite with a rollback journal keeps every row of four writing processes": (directory) => writers(directory, "delete"),
  "sqlite in WAL mode shows a reader what was committed, and removes -wal and -shm at the end": async (directory) => {
    await python(directory, writer, "wal", "init");
    await python(
      directory,
      `import sqlite3, subprocess, sys
r = sqlite3.connect("state.db", isolation_level=None)
for n in range(20):
    subprocess.check_call([sys.executable, "-c", "import sqlite3; d = sqlite3.connect('state.db'); d.execute(\\"insert into t values ('w', %d, '')\\"); d.commit()" % n])
    assert r.execute("select count(*) from t").fetchone()[0] == n + 1
r.close()
`,
    );
    assert.deepEqual(readdirSync(directory), ["state.db"]);
  },
};
