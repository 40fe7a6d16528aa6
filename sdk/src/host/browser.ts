/** What a pod needs of a page. */
import { diskError, PodError } from "./errors.js";
import type { Host } from "./pod.js";
import type { PoolPort, Port } from "./pool.js";

const GIB = 1 << 30;
/** Chromium gives a tab 125 memories (about 15 on Android, which the kernel learns); some are left for the page. */
const FRAMES = 112;

/** The page as a host. */
export function browserHost(): Host {
  return {
    newPort,
    frames: FRAMES,
    // Bundlers look for each name in one piece.
    loadKernel: (mode) =>
      WebAssembly.compileStreaming(
        fetchOk(
          mode === "pool"
            ? new URL("./shoal_kernel.wasm", import.meta.url)
            : new URL("./shoal_kernel_solo.wasm", import.meta.url),
        ),
      ),
    loadImage,
    loadDisks: async () => (await import("./browser_disk.js")).browserDisks(portOf, loadImage, diskError),
    memory() {
      const limit = memoryLimit();
      return { limit, shown: limit };
    },
    sharingObstacle() {
      if (typeof SharedArrayBuffer === "undefined" || !globalThis.crossOriginIsolated) {
        return (
          "this page is not cross-origin isolated, so its pod has one Worker. For more, its server has to send the headers\n" +
          "Cross-Origin-Opener-Policy: same-origin\nCross-Origin-Embedder-Policy: require-corp"
        );
      }
      return undefined;
    },
    obstacle() {
      if (!("Suspending" in WebAssembly)) {
        return "this browser has no JavaScript Promise Integration (JSPI): Chromium 137 or Firefox 153 and later have it";
      }
      return undefined;
    },
  };
}

/**
 * Half of the device's memory where the browser tells it (a power of two in GiB, 8 at most), else 2 GiB:
 * a page that takes more is likely to be ended by the browser.
 */
function memoryLimit(): number {
  const { deviceMemory } = navigator as Navigator & { deviceMemory?: number };
  return deviceMemory === undefined ? 2 * GIB : Math.max(deviceMemory / 2, 0.25) * GIB;
}

async function fetchOk(location: string | URL): Promise<Response> {
  const response = await fetch(location);
  if (!response.ok) {
    throw new PodError(`${String(location)}: ${response.status} ${response.statusText}`);
  }
  return response;
}

async function loadImage(location: string | URL): Promise<Uint8Array> {
  return new Uint8Array(await (await fetchOk(location)).arrayBuffer());
}

function newPort(index: number): PoolPort {
  return portOf(
    new Worker(new URL("../worker/browser.js", import.meta.url), { type: "module", name: `shoal-${index}` }),
  );
}

function portOf<To, From>(worker: Worker): Port<To, From> {
  return {
    post: (message, transfer) => worker.postMessage(message, transfer ?? []),
    onMessage: (listener) => worker.addEventListener("message", (event: MessageEvent) => listener(event.data)),
    onError: (listener) =>
      worker.addEventListener("error", (event) => listener(new Error(event.message || "a Worker could not be loaded"))),
    terminate: () => worker.terminate(),
  };
}
