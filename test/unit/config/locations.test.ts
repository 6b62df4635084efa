import { userInfo } from "node:os";
import { expect, test } from "vitest";
import { locations } from "../../../src/config/locations.ts";

test("the XDG variables say where things are", () => {
  const env = { HOME: "/h", XDG_CONFIG_HOME: "/c", XDG_RUNTIME_DIR: "/r", XDG_STATE_HOME: "/s" };
  expect(locations(env)).toMatchObject({
    configFile: "/c/hmpersist/config.json",
    runtimeDir: "/r/hmpersist",
    controlSocket: expect.stringMatching(/^\/r\/hmpersist\//),
    lockFile: expect.stringMatching(/^\/r\/hmpersist\//),
    stateDir: "/s/hmpersist",
  });
});

test("without them, or with relative ones, it is the home; the runtime directory is one that a reboot empties", () => {
  for (const env of [{ HOME: "/h" }, { HOME: "/h", XDG_CONFIG_HOME: "c", XDG_RUNTIME_DIR: "", XDG_STATE_HOME: "./s" }]) {
    const found = locations(env);
    expect(found.configFile).toBe("/h/.config/hmpersist/config.json");
    expect(found.stateDir).toBe("/h/.local/state/hmpersist");
    expect(found.runtimeDir).toMatch(/^(\/run\/user\/\d+\/hmpersist|\/tmp\/hmpersist-\d+)$/);
  }
});

test("without HOME the user database is asked", () => {
  expect(locations({}).configFile).toBe(`${userInfo().homedir}/.config/hmpersist/config.json`);
});
