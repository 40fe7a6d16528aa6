/** One file, and in it many cases at a time: most sleep. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    maxConcurrency: 32,
    testTimeout: 600_000,
    hookTimeout: 60_000,
  },
});
