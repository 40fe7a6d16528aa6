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

/** Scripts that are loaded when the first mount of the page's files comes. */
const OF_MOUNTS = /(provided|folder)_files-/;

const compressed = (bytes: string | Uint8Array): number => gzipSync(bytes, { level: 9 }).length;

/** Bytes that only a page with a storage loads, or one whose image is streamed: scripts and the disk's module. */
const DISK_LIMIT = 120_000;

/** The scripts of a page that uses all of the SDK: those that all pods load, and those of a disk. */
async function bundle(): Promise<{ readonly all: number; readonly disk: number }> {
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
  const scripts = files.flatMap((file) => {
    const code = file.type === "chunk" ? file.code : file.source;
    const isLater = OF_MOUNTS.test(file.fileName);
    return file.fileName.endsWith(".js") && !isLater ? [{ code: String(code), bytes: compressed(code) }] : [];
  });
  const isOfDisk = ({ code }: { readonly code: string }) =>
    code.includes("shoal-disk") || code.includes("createSyncAccessHandle") || code.includes("deleteDatabase");
  const ofDisk = scripts.filter(isOfDisk);
  const sum = (parts: typeof scripts) => parts.reduce((total, { bytes }) => total + bytes, 0);
  // The SDK itself, its Worker, what the SDK has in common with scripts that come later, and the loader of these; of a disk, the page's side, its Worker, and what removes one.
  expect([scripts.length - ofDisk.length, ofDisk.length]).toEqual([4, 3]);
  return { all: sum(scripts) - sum(ofDisk), disk: sum(ofDisk) };
}

describe("what a page loads", () => {
  it.each(["shoal_kernel.wasm", "shoal_kernel_solo.wasm"])("is no more than 500 KB with %s", async (kernel) => {
    const { all } = await bundle();
    const module = compressed(readFileSync(join(SDK, "host", kernel)));
    console.info(`${kernel}: ${module} bytes, JavaScript: ${all} bytes`);
    expect(module + all).toBeLessThanOrEqual(LIMIT);
  });

  it("is little more with a storage", async () => {
    const { disk } = await bundle();
    const module = compressed(readFileSync(join(SDK, "host/shoal_disk.wasm")));
    console.info(`shoal_disk.wasm: ${module} bytes, JavaScript of a disk: ${disk} bytes`);
    expect(module + disk).toBeLessThanOrEqual(DISK_LIMIT);
  });
});
