/** What a pod needs of Node. */
import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { Disks } from "./disk.js";
import { diskError } from "./errors.js";
import type { Host } from "./pod.js";
import type { PoolPort, Port } from "./pool.js";

const KERNELS = { pool: "./shoal_kernel.wasm", solo: "./shoal_kernel_solo.wasm" } as const;
/** Each memory reserves 8 GiB of addresses, of which a process has 128 TiB. */
const FRAMES = 1024;

/** This process as a host. */
export function nodeHost(): Host {
  return {
    newPort,
    frames: FRAMES,
    loadKernel: async (mode) => WebAssembly.compile(await readFile(new URL(KERNELS[mode], import.meta.url))),
    loadImage: (location) => readFile(pathOf(location)),
    loadDisks: async () =>
      new Disks({
        error: diskError,
        newDisk: () => portOf(new Worker(new URL("../disk/node.js", import.meta.url), { name: "shoal-disk" })),
        base: async (location) => ({ kind: "file", path: resolve(pathOf(location)) }),
        delete: async (storage) => (await import("../disk/node_delete.js")).deleteFolder(storage),
      }),
    memory() {
      // 0 or absurdly much where no control group limits this process.
      const allowed = process.constrainedMemory();
      const all = totalmem();
      return { shown: allowed > 0 && allowed < all ? allowed : all };
    },
    sharingObstacle: () => undefined,
    obstacle() {
      if (!("Suspending" in WebAssembly)) {
        return `Node ${process.versions.node} has no JavaScript Promise Integration (JSPI): Node 26 or later has it`;
      }
      return undefined;
    },
  };
}

function pathOf(location: string | URL): string {
  return typeof location === "string" ? location : fileURLToPath(location);
}

function newPort(index: number): PoolPort {
  return portOf(new Worker(new URL("../worker/node.js", import.meta.url), { name: `shoal-${index}` }));
}

function portOf<To, From>(worker: Worker): Port<To, From> {
  return {
    post: (message, transfer) => worker.postMessage(message, (transfer ?? []) as never[]),
    onMessage: (listener) => worker.on("message", listener),
    onError: (listener) => worker.on("error", (reason: unknown) => listener(reason as Error)),
    terminate: () => void worker.terminate(),
  };
}
