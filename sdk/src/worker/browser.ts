/** The entry of a Worker in a page. */
import type { HostMessage, WorkerMessage } from "../protocol.js";
import { PoolWorker } from "./worker.js";

interface WorkerScope {
  postMessage(message: WorkerMessage, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<HostMessage>) => void) | null;
}

const scope = globalThis as unknown as WorkerScope;
const worker = new PoolWorker({
  post: (message, transfer) => scope.postMessage(message, transfer ?? []),
  loadForkPass,
});
scope.onmessage = (event) => worker.handle(event.data);

/** A Worker may wait for a request, and has to: the kernel is in the midst of execve(2). */
function loadForkPass(): BufferSource {
  const location = new URL("../host/shoal_fork.wasm", import.meta.url);
  const request = new XMLHttpRequest();
  request.open("GET", location, false);
  request.responseType = "arraybuffer";
  request.send();
  if (request.status !== 200) {
    throw new Error(`${location.href}: ${request.status} ${request.statusText}`);
  }
  return request.response as ArrayBuffer;
}
