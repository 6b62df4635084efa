import { defineConfig } from "vitest/config";

// One project per folder of test/. Mounting suites run one file at a time: they share /dev/fuse, the mount table and the
// machine's two cores, and a deadline must mean a hang, never a neighbour.
const project = (name: string, options: { parallel?: boolean; timeout?: number } = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    fileParallelism: options.parallel ?? false,
    testTimeout: options.timeout ?? 60_000,
    hookTimeout: 60_000,
    pool: "forks" as const,
  },
});

export default defineConfig({
  test: {
    globalSetup: ["test/helpers/global-setup.ts"],
    reporters: ["default", "./test/helpers/count-reporter.ts"],
    // One a line: several people add to it at once.
    projects: [
      project("unit", { parallel: true }),
      project("abi"),
      project("wire"),
      project("property", { parallel: true }),
      project("nix"),
      project("systemd"),
      project("mount"),
      project("link"),
      project("adopt"),
      project("daemon"),
      project("cli"),
      project("review"),
      project("doctor"),
      project("fault"),
      project("security"),
      project("fuzz"),
      project("soak"),
      project("posix"),
      project("workload"),
      project("external"),
    ],
  },
});
