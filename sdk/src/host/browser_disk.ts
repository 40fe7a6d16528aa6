/** What a pod with a disk needs of a page. */
import { Disks } from "./disk.js";
import type { diskError } from "./errors.js";
import type { Port } from "./pool.js";

/**
 * The disks of a page.
 *
 * - `portOf`: the port of a Worker
 * - `loadImage`: fetches all of an image
 * - `error`: an error of the package
 */
export function browserDisks(
  portOf: <To, From>(worker: Worker) => Port<To, From>,
  loadImage: (location: string | URL) => Promise<Uint8Array>,
  error: typeof diskError,
): Disks {
  return new Disks({
    error,
    newDisk: () =>
      portOf(new Worker(new URL("../disk/browser.js", import.meta.url), { type: "module", name: "shoal-disk" })),
    base: async (location) => ({ kind: "bytes", bytes: await loadImage(location) }),
    delete: async (storage) => (await import("../disk/delete.js")).deleteBrowserStorage(storage),
    onHidden(listener) {
      const look = () => {
        if (document.visibilityState === "hidden") {
          listener();
        }
      };
      document.addEventListener("visibilitychange", look);
      return () => document.removeEventListener("visibilitychange", look);
    },
  });
}
