// Elapsed time, and a clock that is set.
import { afterEach, expect, test, vi } from "vitest";
import { monotonicMs, watchClock } from "../../../src/sys/clock.ts";

afterEach(() => void vi.useRealTimers());

test("elapsed time is CLOCK_MONOTONIC, whatever the machine's clock says", () => {
  const before = Number(process.hrtime.bigint()) / 1e6;
  vi.useFakeTimers({ toFake: ["Date"], now: 0 });
  const now = monotonicMs();
  expect(now).toBeGreaterThanOrEqual(before - 1);
  expect(now).toBeLessThanOrEqual(Number(process.hrtime.bigint()) / 1e6 + 1);
});

test("a clock that is set back is noticed, one that goes on or is set forwards is not", () => {
  vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000 });
  const wentBack = watchClock(1_000);
  expect(wentBack()).toBe(false);
  vi.setSystemTime(2_000_000);
  expect(wentBack()).toBe(false);
  vi.setSystemTime(900_000);
  expect(wentBack()).toBe(true);
});
