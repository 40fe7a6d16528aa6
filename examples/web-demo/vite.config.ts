/**
 * How the page is served and built.
 *
 * `SHOAL_NO_ISOLATION=1` leaves the isolation headers out: the pod then has one Worker.
 * `SHOAL_IMAGE` is the root image, by default the one that `cargo xtask build` makes.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { rootImage } from "./root_image.ts";

/** What a page needs for shared memory, and so for a pool of Workers. */
const ISOLATION: Record<string, string> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};
const headers = process.env.SHOAL_NO_ISOLATION === "1" ? {} : ISOLATION;
const tree = fileURLToPath(new URL("../..", import.meta.url));
const image = process.env.SHOAL_IMAGE ?? `${tree}/target/guest/root.ext2`;

export default defineConfig({
  // A build works in any folder of a server.
  base: "./",
  plugins: [rootImage(image)],
  // The SDK finds its Workers and the kernel beside its own files.
  optimizeDeps: { exclude: ["shoal"] },
  server: { headers, fs: { allow: [tree] } },
  preview: { headers },
  worker: { format: "es" },
  build: { target: "esnext" },
});
