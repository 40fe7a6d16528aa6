/** What a page has to load before a pod boots: one kernel and the SDK's JavaScript, bundled and compressed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { describe, expect, it } from "vitest";
import { ROOT } from "./shoal.ts";

const SDK = join(ROOT, "sdk/dist");
/**
 * Bytes over the wire. What programs that fork need besides is loaded when the first of them comes: `lazy.test.ts`
 * shows that ordinary ones do without.
 */
const LIMIT = 500_000;

const compressed = (bytes: string | Uint8Array): number => gzipSync(bytes, { level: 9 }).length;

/** The bytes of the scripts of a page that uses all of the SDK, its Worker's among them. */
async function bundle(): Promise<number> {
  const built = await build({
    configFile: false,
    logLevel: "silent",
    root: SDK,
    worker: { format: "es" },
    build: {
      target: "esnext",
      write: false,
      rolldownOptions: { input: "index.js", preserveEntrySignatures: "strict" },
    },
  });
  const files = "output" in built ? built.output : [];
  const scripts = files.filter(({ fileName }) => fileName.endsWith(".js"));
  // The SDK itself and its Worker.
  expect(scripts).toHaveLength(2);
  return scripts.reduce((sum, file) => sum + compressed(file.type === "chunk" ? file.code : file.source), 0);
}

describe("what a page loads", () => {
  it.each(["shoal_kernel.wasm", "shoal_kernel_solo.wasm"])("is no more than 500 KB with %s", async (kernel) => {
    const script = await bundle();
    const module = compressed(readFileSync(join(SDK, "host", kernel)));
    console.info(`${kernel}: ${module} bytes, JavaScript: ${script} bytes`);
    expect(module + script).toBeLessThanOrEqual(LIMIT);
  });
});
