/** The entry of the disk Worker in a page. */
import { openBrowserStorage } from "./browser_storage.js";
import { Disk } from "./disk.js";
import type { DiskReply, DiskRequest, FromDisk, ToDisk } from "./protocol.js";
import { DiskError } from "./store.js";

interface WorkerScope {
  postMessage(message: FromDisk, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToDisk>) => void) | null;
}

/** Written out: that is how bundlers find the file. */
const MODULE = new URL("../host/shoal_disk.wasm", import.meta.url);

const scope = globalThis as unknown as WorkerScope;
const disk = new Disk({
  post: (message, transfer) => scope.postMessage(message, transfer ?? []),
  listen(port, listener) {
    const answers = {
      post: (reply: DiskReply, transfer: Transferable[]) => port.postMessage(reply, transfer),
    };
    port.onmessage = (event: MessageEvent<DiskRequest>) => listener(event.data, answers);
  },
  async loadModule() {
    const response = await fetch(MODULE);
    if (!response.ok) {
      throw new DiskError("io", `${MODULE.href}: ${response.status} ${response.statusText}`);
    }
    return await response.arrayBuffer();
  },
  openStorage: openBrowserStorage,
});
scope.onmessage = (event) => disk.handle(event.data);
