import { defineConfig } from "vitest/config";
import { RUNS_CPYTHON_TESTS } from "./src/places.ts";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    exclude: RUNS_CPYTHON_TESTS ? [] : ["src/cpython.test.ts"],
    globalSetup: "src/setup.ts",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
