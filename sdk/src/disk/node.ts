/** The entry of the disk Worker in Node. */
import * as fs from "node:fs";
import { readFile } from "node:fs/promises";
import { type MessagePort, parentPort } from "node:worker_threads";
import { Disk } from "./disk.js";
import type { BaseFile } from "./host.js";
import { memoryStorage } from "./memory_store.js";
import { openFolder, readFully } from "./node_folder.js";
import type { DiskRequest, ToDisk } from "./protocol.js";
import { DiskError } from "./store.js";

if (parentPort === null) {
  throw new Error("this file is the entry of a Worker");
}
const page = parentPort;
const disk = new Disk({
  post: (message, transfer) => page.postMessage(message, (transfer ?? []) as never[]),
  listen(port, listener) {
    const worker = port as unknown as MessagePort;
    const answers = {
      post: (reply: unknown, transfer: Transferable[]) => worker.postMessage(reply, transfer as never[]),
    };
    worker.on("message", (request: DiskRequest) => listener(request, answers));
  },
  loadModule: () => readFile(new URL("../host/shoal_disk.wasm", import.meta.url)),
  async openStorage(storage) {
    switch (storage.kind) {
      case "memory":
        return memoryStorage();
      case "folder":
        return openFolder(storage.path);
      case "browser":
        throw new DiskError("unsupported", "Node has no storage of a browser: name a folder");
    }
  },
  openFile,
});
page.on("message", (message: ToDisk) => disk.handle(message));

/** An image in a file of the machine. */
function openFile(path: string): BaseFile {
  try {
    const fd = fs.openSync(path, fs.constants.O_RDONLY);
    const { size, mtimeMs } = fs.fstatSync(fd);
    return {
      length: size,
      modified: Math.floor(mtimeMs),
      readAt(offset, into) {
        try {
          return readFully(fd, into, offset) === into.length;
        } catch {
          return false;
        }
      },
      close: () => fs.closeSync(fd),
    };
  } catch (error) {
    throw new DiskError("io", `cannot open the image: ${(error as Error).message}`);
  }
}
