/** The entry of a Worker in a page. */
import type { HostMessage, WorkerMessage } from "../protocol.js";
import { PoolWorker } from "./worker.js";

interface WorkerScope {
  postMessage(message: WorkerMessage, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<HostMessage>) => void) | null;
}

const scope = globalThis as unknown as WorkerScope;
const worker = new PoolWorker({ post: (message, transfer) => scope.postMessage(message, transfer ?? []) });
scope.onmessage = (event) => worker.handle(event.data);
