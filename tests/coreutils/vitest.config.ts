/** One file, and in it several pods at a time. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    maxConcurrency: 3,
    testTimeout: 300_000,
  },
});
