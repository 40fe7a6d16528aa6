/** The entry of a Worker in a page. */
import type { HostMessage, WorkerMessage } from "../protocol.js";
import type { PassName } from "./pass.js";
import { PoolWorker } from "./worker.js";

interface WorkerScope {
  postMessage(message: WorkerMessage, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<HostMessage>) => void) | null;
}

const scope = globalThis as unknown as WorkerScope;
const worker = new PoolWorker({
  post: (message, transfer) => scope.postMessage(message, transfer ?? []),
  loadPass,
});
scope.onmessage = (event) => worker.handle(event.data);

/** Written out: that is how bundlers find the files. */
const PASSES: Readonly<Record<PassName, URL>> = {
  fork: new URL("../host/shoal_fork.wasm", import.meta.url),
  wali: new URL("../host/shoal_wali.wasm", import.meta.url),
};

/** A Worker may wait for a request, and has to: the kernel is in the midst of execve(2). */
function loadPass(name: PassName): BufferSource {
  const location = PASSES[name];
  const request = new XMLHttpRequest();
  request.open("GET", location, false);
  request.responseType = "arraybuffer";
  request.send();
  if (request.status !== 200) {
    throw new Error(`${location.href}: ${request.status} ${request.statusText}`);
  }
  return request.response as ArrayBuffer;
}
