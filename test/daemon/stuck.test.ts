// A mount in the home that somebody else's server has stopped answering for: it is refused, and what is said to give it up does so.
import { join } from "node:path";
import { expect, test } from "vitest";
import { withSandbox } from "../helpers/sandbox.ts";

test.each(["root", "user"] as const)("as %s: a mount that does not answer is taken away as its hint says", (as) =>
  withSandbox("stuck", { as }, async (sandbox) => {
    const file = sandbox.writeConfig({ home: sandbox.home, persistence: { [sandbox.storage]: { directories: ["my data", "b"] } } });
    expect(await sandbox.run(["mount", "--config", file])).toMatchObject({ code: 0 });
    const { server, daemon } = await sandbox.status();
    // Nobody knows of them from here on.
    for (const { pid } of [server, daemon].flatMap((each) => each ?? [])) process.kill(pid, "SIGSTOP");
    sandbox.ownDirectory(join(sandbox.base, "run2"));
    const env = { XDG_RUNTIME_DIR: join(sandbox.base, "run2") };
    const refused = await sandbox.run(["mount", "--json", "--config", file], env);
    expect(refused, refused.stderr).toMatchObject({ code: 3 });
    const { refusals } = JSON.parse(refused.stdout) as { refusals: { reason: string; hint: string }[] };
    expect(refusals.map(({ reason }) => reason)).toEqual(
      ["b", "my data"].map((name) => `the mount at ${join(sandbox.home, name)} does not answer`),
    );
    for (const { hint } of refusals) {
      const [, command = ""] = /to give it up: (.*), then hmpersist apply$/.exec(hint) ?? [];
      expect(await sandbox.exec("sh", ["-c", command])).toEqual({ code: 0, stdout: "", stderr: "" });
    }
    const applied = await sandbox.run(["apply"], env);
    expect(applied, applied.stdout).toMatchObject({ code: 0 });
    expect(await sandbox.exec("ls", [join(sandbox.home, "my data")])).toMatchObject({ code: 0 });
    expect(await sandbox.run(["unmount"], env)).toMatchObject({ code: 0 });
  }),
);
