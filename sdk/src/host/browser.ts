/** What a pod needs of a page. */
import { PodError } from "./errors.js";
import type { Host } from "./pod.js";
import type { PoolPort } from "./pool.js";

/** The page as a host. */
export function browserHost(): Host {
  return {
    newPort,
    loadKernel: () => WebAssembly.compileStreaming(fetchOk(new URL("./shoal_kernel.wasm", import.meta.url))),
    loadImage: async (location) => new Uint8Array(await (await fetchOk(location)).arrayBuffer()),
    obstacle() {
      if (typeof SharedArrayBuffer === "undefined" || !globalThis.crossOriginIsolated) {
        return (
          "this page is not cross-origin isolated, so it has no shared memory. Its server has to send the headers\n" +
          "Cross-Origin-Opener-Policy: same-origin\nCross-Origin-Embedder-Policy: require-corp"
        );
      }
      if (!("Suspending" in WebAssembly)) {
        return "this browser has no JavaScript Promise Integration (JSPI): Chromium 137 or Firefox 153 and later have it";
      }
      return undefined;
    },
  };
}

async function fetchOk(location: string | URL): Promise<Response> {
  const response = await fetch(location);
  if (!response.ok) {
    throw new PodError(`${String(location)}: ${response.status} ${response.statusText}`);
  }
  return response;
}

function newPort(index: number): PoolPort {
  const worker = new Worker(new URL("../worker/browser.js", import.meta.url), {
    type: "module",
    name: `shoal-${index}`,
  });
  return {
    post: (message, transfer) => worker.postMessage(message, transfer ?? []),
    onMessage: (listener) => worker.addEventListener("message", (event: MessageEvent) => listener(event.data)),
    onError: (listener) =>
      worker.addEventListener("error", (event) => listener(new Error(event.message || "a Worker could not be loaded"))),
    terminate: () => worker.terminate(),
  };
}
