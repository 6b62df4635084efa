// A home that is reached through a link (/home -> /var/home): the mount table knows its mounts by another path than the user.
import { existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withSandbox } from "../helpers/sandbox.ts";

for (const as of ["root", "user"] as const) {
  test(`mounts of a home behind a link are known, left alone, adopted and taken away, as ${as}`, () =>
    withSandbox("linked-home", { as }, async (sandbox) => {
      const linked = join(sandbox.base, "linked");
      symlinkSync(sandbox.home, linked);
      const config = sandbox.writeConfig({
        home: linked,
        persistence: { [sandbox.storage]: { directories: ["a", "b", { directory: "full", onNonEmpty: "adopt" }], files: ["file"] } },
      });
      for (const name of ["full", "b"]) sandbox.ownDirectory(join(sandbox.home, name));
      await sandbox.exec("sh", ["-c", `echo kept > ${sandbox.home}/full/data; echo kept > ${sandbox.home}/b/data`]);
      const mounted = await sandbox.run(["mount", "--config", config]);
      expect(mounted.code, mounted.stderr).toBe(3);
      const adopted = await sandbox.run(["adopt", join(linked, "b")]);
      expect(adopted.code, adopted.stderr).toBe(0);
      const { actions } = JSON.parse((await sandbox.run(["plan", "--json", "--config", config])).stdout) as { actions: unknown[] };
      expect(actions).toEqual([]);
      expect((await sandbox.run(["apply"])).code).toBe(0);
      expect(sandbox.mounts()).toHaveLength(3);
      for (const name of ["full", "b"]) expect(existsSync(join(sandbox.storage, name, "data"))).toBe(true);
      const one = await sandbox.run(["unmount", join(linked, "a")]);
      expect(one.code, one.stderr).toBe(0);
      expect(sandbox.mounts()).toHaveLength(2);
      expect((await sandbox.run(["unmount"])).code).toBe(0);
      expect(sandbox.mounts()).toEqual([]);
    }));
}
