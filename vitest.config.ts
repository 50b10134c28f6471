import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "console/src/**/*.test.ts", "test/**/*.test.ts"],
    globalSetup: ["test/kit/global-setup.ts"],
    pool: "forks",
    // Most files wait for processes of their own.
    maxWorkers: 2,
    // A busy machine is slow, not wrong.
    testTimeout: 120_000,
    hookTimeout: 240_000,
  },
});
