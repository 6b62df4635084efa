// Errno names: what is asked for by one name is found under the other.
import { expect, test } from "vitest";
import { AT_FDCWD, O_RDWR, O_TMPFILE } from "../../../src/sys/constants.ts";
import { isErrno } from "../../../src/sys/errno.ts";
import { openat } from "../../../src/sys/file.ts";
import { cstr } from "../../../src/sys/name.ts";

test("a call that is not supported is known by both of its names", () => {
  let error: unknown;
  try {
    openat(AT_FDCWD, cstr("/proc"), O_TMPFILE | O_RDWR);
  } catch (caught) {
    error = caught;
  }
  expect([isErrno(error, "EOPNOTSUPP"), isErrno(error, "ENOTSUP")]).toEqual([true, true]);
  expect(isErrno(error, "ENOENT")).toBe(false);
  expect(isErrno(new Error("of another kind"), "EOPNOTSUPP")).toBe(false);
});
