/** The entry of a Worker in Node. */
import { readFileSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import type { HostMessage } from "../protocol.js";
import { hostFiles } from "./node_files.js";
import { PoolWorker } from "./worker.js";

if (parentPort === null) {
  throw new Error("this file is the entry of a Worker");
}
const port = parentPort;
const worker = new PoolWorker({
  post: (message, transfer) => port.postMessage(message, (transfer ?? []) as never[]),
  files: hostFiles(),
  loadPass: (name) => readFileSync(new URL(`../host/shoal_${name}.wasm`, import.meta.url)),
});
port.on("message", (message: HostMessage) => worker.handle(message));
