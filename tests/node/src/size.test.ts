/** What a page has to load before a pod boots: one kernel and the SDK's JavaScript, compressed. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { ROOT } from "./shoal.ts";

const DIST = join(ROOT, "sdk/dist");
/** Bytes over the wire. */
const LIMIT = 500_000;

const compressed = (path: string): number => gzipSync(readFileSync(path), { level: 9 }).length;

describe("the kernel and its JavaScript", () => {
  const scripts = readdirSync(DIST, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".js") && !file.startsWith("cli") && !/\bnode/.test(file))
    .map((file) => join(DIST, file));

  it.each(["shoal_kernel.wasm", "shoal_kernel_solo.wasm"])("are no more than 500 KB with %s", (kernel) => {
    const script = scripts.reduce((sum, file) => sum + compressed(file), 0);
    const module = compressed(join(DIST, "host", kernel));
    console.info(`${kernel}: ${module} bytes, JavaScript: ${script} bytes`);
    expect(scripts.length).toBeGreaterThan(10);
    expect(module + script).toBeLessThanOrEqual(LIMIT);
  });
});
