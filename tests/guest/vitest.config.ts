import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    // Some programs measure time: two pods at once on a small machine would disturb them.
    fileParallelism: false,
    // Limits for what hangs: a busy machine may be several times slower.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
